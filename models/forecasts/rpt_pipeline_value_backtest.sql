with

int_forecast_groups as (
    select * from {{ ref('int_forecast_groups') }}
    where not is_as_of_date
),

ml_pipeline_yields as (
    select * from {{ ref('ml_pipeline_yields') }}
    where segment_dimension = 'all'
),

forecasts as (
    select
        forecast_date,
        method,
        cast(sum(deal_count) as bigint) as open_deal_count,
        cast(sum(still_open_deal_count) as bigint) as still_open_deal_count,
        cast(sum(case when forecast_amount is null then 0 else deal_count end) as bigint) as valued_deal_count,
        sum(case when forecast_amount is not null then raw_amount end) as raw_amount,
        sum(case when forecast_amount is not null then realised_amount end) as realised_amount,
        sum(forecast_amount) as forecast_amount,
        bool_and(is_evaluable) as is_evaluable
    from int_forecast_groups
    group by forecast_date, method
),

final as (
    select
        forecasts.forecast_date,
        forecasts.method,
        forecasts.open_deal_count,
        forecasts.still_open_deal_count,
        forecasts.valued_deal_count,
        cast(forecasts.raw_amount as decimal(18, 2)) as raw_amount,
        forecasts.forecast_amount,
        cast(forecasts.realised_amount as decimal(18, 2)) as realised_amount,
        forecasts.is_evaluable,
        case when forecasts.is_evaluable then forecasts.forecast_amount - forecasts.realised_amount end as error_amount,
        case
            when forecasts.is_evaluable
                then (forecasts.forecast_amount - forecasts.realised_amount) / nullif(cast(forecasts.realised_amount as double), 0)
        end as error_rate,
        ml_pipeline_yields.yield_p10_amount,
        ml_pipeline_yields.yield_p50_amount,
        ml_pipeline_yields.yield_p90_amount,
        case
            when forecasts.is_evaluable
                then forecasts.realised_amount between ml_pipeline_yields.yield_p10_amount and ml_pipeline_yields.yield_p90_amount
        end as is_within_band,
        ml_pipeline_yields.shock_deviation,
        ml_pipeline_yields.shock_date_count,
        case
            when forecasts.method <> '{{ var("default_value_method") }}' then 'not_default_method'
            else coalesce(ml_pipeline_yields.band_status, 'not_computable')
        end as band_status
    from forecasts
    left join ml_pipeline_yields
        on
            forecasts.forecast_date = ml_pipeline_yields.forecast_date
            and forecasts.method = '{{ var("default_value_method") }}'
)

select * from final
