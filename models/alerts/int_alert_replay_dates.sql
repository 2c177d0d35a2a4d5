-- All deals that are open up to the end of the last mature cohort are of mature cohorts.
{% set until_date = "cast(" ~ dbt.dateadd('day', -1, dbt.dateadd('month', 1, 'max(cohorts.cohort_month)')) ~ " as date)" %}

with

int_deal_observations as (
    select * from {{ ref('int_deal_observations') }}
    where purpose = 'training'
),

mature as (
    select {{ until_date }} as until_date
    from {{ ref('int_cohort_maturity') }} as cohorts
    inner join {{ ref('int_as_of') }} as int_as_of
        on cohorts.forecast_date = {{ train_date('int_as_of.as_of_date') }}
    where cohorts.is_mature
),

dates as (
    select distinct
        int_deal_observations.observation_date as replay_date,
        int_deal_observations.observation_date > {{ dbt.dateadd('day', -364, 'mature.until_date') }} as is_replayed
    from int_deal_observations
    inner join mature
        on int_deal_observations.observation_date <= mature.until_date
),

final as (
    select
        replay_date,
        is_replayed
    from dates
    qualify is_replayed or replay_date = max(case when not is_replayed then replay_date end) over ()
)

select * from final
