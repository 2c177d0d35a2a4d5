-- How long the visits of won deals lasted, as it was known on each date: the quantile beyond which an open one is stalled. Too few of
-- them: null.
with

dates as (
    select
        as_of_date as threshold_date,
        true as is_as_of_date
    from {{ ref('int_as_of') }}

    union all

    select
        replay_date as threshold_date,
        false as is_as_of_date
    from {{ ref('int_replay_dates') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
    where not is_closed
),

winning_visits as (
    select
        visits.stage,
        visits.days_in_stage,
        int_deals.closed_date,
        count(*) as visit_count
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join {{ ref('int_deals') }} as int_deals
        on visits.deal_id = int_deals.deal_id
    where
        int_deals.is_won
        and not visits.is_censored
        and not visits.is_left_truncated
    group by visits.stage, visits.days_in_stage, int_deals.closed_date
),

known_days as (
    select
        dates.threshold_date,
        dates.is_as_of_date,
        int_stages.stage,
        winning_visits.days_in_stage,
        coalesce(sum(winning_visits.visit_count), 0) as visit_count
    from dates
    cross join int_stages
    left join winning_visits
        on
            int_stages.stage = winning_visits.stage
            and dates.threshold_date >= winning_visits.closed_date
    group by dates.threshold_date, dates.is_as_of_date, int_stages.stage, winning_visits.days_in_stage
),

cumulated as (
    select
        *,
        sum(visit_count) over (partition by threshold_date, stage order by days_in_stage) as visits_so_far,
        sum(visit_count) over (partition by threshold_date, stage) as winning_visit_count
    from known_days
),

final as (
    select
        threshold_date,
        is_as_of_date,
        stage,
        cast(max(winning_visit_count) as bigint) as winning_visit_count,
        case
            when max(winning_visit_count) >= {{ var('min_segment_deals') }}
                then min(case when visits_so_far >= winning_visit_count * {{ var('stall_quantile') }} then days_in_stage end)
        end as stall_threshold_days
    from cumulated
    group by threshold_date, is_as_of_date, stage
)

select * from final
