-- Whole intervals before the day that scores are trained as of, like their training observations. All deals that are open up to the
-- end of the last mature cohort are of mature cohorts.
{% set interval_days = var('observation_interval_days') %}
{% set until_date = dbt.dateadd('day', -1, dbt.dateadd('month', 1, 'max(cohorts.cohort_month)')) %}

with

mature as (
    select
        cohorts.forecast_date as train_date,
        cast({{ until_date }} as date) as until_date
    from {{ ref('int_cohort_maturity') }} as cohorts
    inner join {{ ref('int_as_of') }} as int_as_of
        on cohorts.forecast_date = {{ train_date('int_as_of.as_of_date') }}
    where cohorts.is_mature
    group by cohorts.forecast_date
),

dates as (
    select
        mature.until_date,
        cast(steps.step_at as date) as replay_date
    from mature
    cross join unnest(
        generate_series(mature.train_date - {{ interval_days }}, mature.until_date - 364 - {{ interval_days }}, to_days(-{{ interval_days }}))
    ) as steps (step_at)
),

final as (
    select
        replay_date,
        replay_date > until_date - 364 as is_replayed
    from dates
    where
        replay_date <= until_date
        and replay_date > until_date - 364 - {{ interval_days }}
)

select * from final
