with

int_stages as (
    select * from {{ ref('int_stages') }}
),

reopened_deals as (
    select distinct deal_id
    from {{ ref('int_deal_stage_visits') }}
    where spell_number > 1
),

visits as (
    select
        visits.deal_id,
        visits.stage,
        visits.is_left_truncated,
        visits.next_stage_rank,
        cast(visits.entered_at as date) as entered_date,
        cast(visits.exited_at as date) as exited_date,
        cast(lead(visits.entered_at) over (partition by visits.deal_id order by visits.visit_number) as date) as next_entered_date
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join reopened_deals
        on visits.deal_id = reopened_deals.deal_id
),

-- Between two visits of one spell no day passes.
final as (
    select
        visits.deal_id,
        visits.stage,
        visits.is_left_truncated,
        visits.entered_date,
        case when int_stages.is_won then 'won' when not int_stages.is_won then 'lost' else 'removed' end as closed_as,
        visits.exited_date as from_date,
        visits.next_entered_date as until_date
    from visits
    inner join int_stages
        on visits.next_stage_rank = int_stages.stage_rank
    where visits.exited_date < visits.next_entered_date
)

select * from final
