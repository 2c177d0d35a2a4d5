{{ config(materialized = 'view') }}

with

int_score_deals as (
    select * from {{ ref('int_score_deals') }}
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit{{ " union all" if not loop.last }}
    {% endfor %}
),

-- The newest thousand observations of a deal.
offsets as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit as step_offset
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
),

-- Regular dates train, the as-of date is scored, and past forecast dates tell what the score would have said of the pipeline then: of the
-- same sample of deals that became won, lost or are still open.
final as (
    select
        int_score_deals.*,
        case when int_score_deals.is_open then 'score' else 'training' end as purpose,
        cast({{ dbt.dateadd(
            'day', '-' ~ var('observation_interval_days') ~ ' * (int_score_deals.newest_step + offsets.step_offset)', 'int_score_deals.observed_until_date'
        ) }} as date) as observation_date
    from int_score_deals
    inner join offsets
        on int_score_deals.oldest_step - int_score_deals.newest_step >= offsets.step_offset
    where
        int_score_deals.is_open
        or int_score_deals.is_training

    union all

    select
        int_score_deals.*,
        'backtest' as purpose,
        int_forecast_dates.forecast_date as observation_date
    from int_score_deals
    inner join int_forecast_dates
        on case
            when
                int_score_deals.is_sampled
                and not int_forecast_dates.is_as_of_date
                and int_score_deals.created_date <= int_forecast_dates.forecast_date
                and (int_score_deals.is_open or int_score_deals.closed_date > int_forecast_dates.forecast_date)
                then 1
            else 0
        end = 1
)

select * from final
