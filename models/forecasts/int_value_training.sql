with

int_value_observations as (
    select * from {{ ref('int_value_observations') }}
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

final as (
    select
        int_forecast_dates.forecast_date,
        int_value_observations.band_type,
        int_value_observations.stage,
        int_value_observations.band,
        int_value_observations.segment_dimension,
        int_value_observations.segment_value,
        cast(sum(case when int_value_observations.is_won then int_value_observations.deal_days else 0 end) as bigint) as won_days,
        cast(sum(int_value_observations.deal_days) as bigint) as deal_days,
        cast(sum(int_value_observations.squared_days) as bigint) as squared_days,
        cast(sum(int_value_observations.weighted_days) as bigint) as weighted_days
    from int_value_observations
    inner join int_forecast_dates
        on int_value_observations.trained_from_date <= int_forecast_dates.forecast_date
    group by
        int_forecast_dates.forecast_date,
        int_value_observations.band_type,
        int_value_observations.stage,
        int_value_observations.band,
        int_value_observations.segment_dimension,
        int_value_observations.segment_value
)

select * from final
