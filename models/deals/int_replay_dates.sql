-- Whole intervals before the day that scores are trained as of, like their training observations. What became of the deals open on the
-- newest date within H days is known.
{% set interval_days = var('observation_interval_days') %}

with

int_closing_bounds as (
    select * from {{ ref('int_closing_bounds') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

bounds as (
    select
        {{ train_date('int_as_of.as_of_date') }} as train_date,
        int_closing_bounds.horizon_days,
        int_closing_bounds.mature_until_date as until_date
    from int_closing_bounds
    cross join int_as_of
),

dates as (
    select
        bounds.until_date,
        bounds.horizon_days,
        cast(steps.step_at as date) as replay_date
    from bounds
    cross join unnest(
        generate_series(bounds.train_date - {{ interval_days }}, bounds.until_date - 364 - {{ interval_days }}, to_days(-{{ interval_days }}))
    ) as steps (step_at)
),

final as (
    select
        replay_date,
        cast({{ dbt.dateadd('day', 'horizon_days', 'replay_date') }} as date) as outcome_date,
        replay_date > until_date - 364 as is_replayed
    from dates
    where
        replay_date <= until_date
        and replay_date > until_date - 364 - {{ interval_days }}
)

select * from final
