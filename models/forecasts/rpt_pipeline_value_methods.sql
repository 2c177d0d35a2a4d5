with

rpt_pipeline_value_backtest as (
    select * from {{ ref('rpt_pipeline_value_backtest') }}
    where error_rate is not null
),

date_methods as (
    select
        forecast_date,
        count(*) as method_count,
        max(count(*)) over () as most_methods
    from rpt_pipeline_value_backtest
    group by forecast_date
),

-- Methods are compared on the same dates: those on which the most of them gave a forecast.
shared_dates as (
    select forecast_date
    from date_methods
    where method_count = most_methods
),

scores as (
    select
        backtest.method,
        count(*) as evaluated_date_count,
        min(backtest.forecast_date) as first_forecast_date,
        max(backtest.forecast_date) as last_forecast_date,
        sum(backtest.forecast_amount) as forecast_amount,
        sum(backtest.realised_amount) as realised_amount,
        avg(abs(backtest.error_rate)) as mean_absolute_error_rate,
        avg(backtest.error_rate) as mean_error_rate,
        count(backtest.is_within_band) as band_date_count,
        cast(sum(case when backtest.is_within_band then 1 else 0 end) as bigint) as within_band_date_count
    from rpt_pipeline_value_backtest as backtest
    inner join shared_dates
        on backtest.forecast_date = shared_dates.forecast_date
    group by backtest.method
),

methods as (
    select unnest(['raw', 'stage_weighted', 'flat', 'segment', 'rapv', 'model', 'published_aging']) as method
),

final as (
    select
        methods.method,
        methods.method = '{{ var("default_value_method") }}' as is_default,
        coalesce(scores.evaluated_date_count, 0) as evaluated_date_count,
        scores.first_forecast_date,
        scores.last_forecast_date,
        scores.forecast_amount,
        cast(scores.realised_amount as decimal(18, 2)) as realised_amount,
        scores.forecast_amount / cast(scores.realised_amount as double) as forecast_to_realised_ratio,
        scores.mean_absolute_error_rate,
        scores.mean_error_rate,
        coalesce(scores.band_date_count, 0) as band_date_count,
        cast(scores.within_band_date_count as double) / nullif(scores.band_date_count, 0) as within_band_rate,
        case
            when scores.method is null then 'not_computable'
            when scores.evaluated_date_count < {{ var('backtest_min_dates') }} then 'insufficient_n'
            when scores.mean_absolute_error_rate <= min(scores.mean_absolute_error_rate) over () then 'best'
            else 'beaten'
        end as verdict
    from methods
    left join scores
        on methods.method = scores.method
)

select * from final
