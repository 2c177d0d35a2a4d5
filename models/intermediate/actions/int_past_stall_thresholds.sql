-- int_stall_thresholds as of each regular date of the year whose deals have all closed since, from what was known then.
{{ config(materialized = 'view') }}
{% set until_date = "cast(" ~ dbt.dateadd('day', -1, dbt.dateadd('month', 1, 'max(cohorts.cohort_month)')) ~ " as date)" %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
    where not is_closed
),

-- All deals that are open up to the end of the last mature cohort are of mature cohorts.
mature as (
    select {{ until_date }} as until_date
    from {{ ref('int_cohort_maturity') }} as cohorts
    inner join {{ ref('int_as_of') }} as int_as_of
        on cohorts.forecast_date = {{ train_date('int_as_of.as_of_date') }}
    where cohorts.is_mature
),

replay_dates as (
    select distinct observed.observation_date as replay_date
    from {{ ref('int_deal_observations') }} as observed
    inner join mature
        on
            observed.observation_date <= mature.until_date
            and observed.observation_date > {{ dbt.dateadd('day', -364, 'mature.until_date') }}
    where observed.purpose = 'training'
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
        replay_dates.replay_date,
        int_stages.stage,
        winning_visits.days_in_stage,
        sum(winning_visits.visit_count) as visit_count
    from replay_dates
    cross join int_stages
    left join winning_visits
        on
            int_stages.stage = winning_visits.stage
            and replay_dates.replay_date >= winning_visits.closed_date
    group by replay_dates.replay_date, int_stages.stage, winning_visits.days_in_stage
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
