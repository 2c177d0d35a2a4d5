with

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

int_stages as (
    select * from {{ ref('int_stages') }}
    where not is_closed
),

last_visits as (
    select
        deal_id,
        stage,
        coalesce(observed_from_at, entered_at) as recorded_at
    from {{ ref('int_deal_stage_visits') }}
    where
        is_last
        and is_censored
),

final as (
    select
        int_deals.deal_id,
        last_visits.stage as visited_stage,
        case
            when int_deals.recorded_at is not null and int_stages.stage <> last_visits.stage
                then case when int_deals.recorded_at >= last_visits.recorded_at then 'file' else 'history' end
        end as stage_newer_in
    from int_deals
    inner join last_visits
        on int_deals.deal_id = last_visits.deal_id
    left join int_stages
        on int_deals.deal_stage = int_stages.stage
)

select * from final
