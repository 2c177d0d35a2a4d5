{{ config(materialized = 'view') }}

with

int_alert_replay_dates as (
    select * from {{ ref('int_alert_replay_dates') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
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
    inner join int_deals
        on visits.deal_id = int_deals.deal_id
    where
        int_deals.is_won
        and not visits.is_censored
        and not visits.is_left_truncated
    group by visits.stage, visits.days_in_stage, int_deals.closed_date
),

known_days as (
    select
        int_alert_replay_dates.replay_date,
        int_stages.stage,
        winning_visits.days_in_stage,
        sum(winning_visits.visit_count) as visit_count
    from int_alert_replay_dates
    cross join int_stages
    left join winning_visits
        on
            int_stages.stage = winning_visits.stage
            and int_alert_replay_dates.replay_date >= winning_visits.closed_date
    group by int_alert_replay_dates.replay_date, int_stages.stage, winning_visits.days_in_stage
),

cumulated as (
    select
        *,
        sum(visit_count) over (partition by replay_date, stage order by days_in_stage) as visits_so_far,
        sum(visit_count) over (partition by replay_date, stage) as all_visit_count
    from known_days
),

final as (
    select
        replay_date,
        stage,
        case
            when max(all_visit_count) >= {{ var('min_segment_deals') }}
                then min(case when visits_so_far >= all_visit_count * {{ var('stall_quantile') }} then days_in_stage end)
        end as stall_threshold_days
    from cumulated
    group by replay_date, stage
)

select * from final
