-- What did each method say in March, and what came?
-- Did the band hold it?
-- One row per past month end and method, the newest first; is_nearest marks the method that came nearest. Only the default method has a band, its P10 to P90.
-- Month ends share deals, so errors of neighbours move together: half a year of one sign is no trend. Of a month end whose deals have not closed yet
-- (is_evaluable false) what was won so far isn't final, and no error is given.
with

rpt_pipeline_value_backtest as (
    select * from {{ ref('rpt_pipeline_value_backtest') }}
),

rpt_pipeline_value_methods as (
    select * from {{ ref('rpt_pipeline_value_methods') }}
),

final as (
    select
        backtest.forecast_date,
        backtest.method,
        methods.is_default,
        backtest.is_evaluable,
        backtest.still_open_deal_count,
        backtest.valued_deal_count,
        backtest.raw_amount,
        backtest.forecast_amount,
        backtest.realised_amount,
        backtest.error_amount,
        backtest.error_rate,
        abs(backtest.error_rate) = min(abs(backtest.error_rate)) over (partition by backtest.forecast_date) as is_nearest,
        backtest.yield_p10_amount,
        backtest.yield_p90_amount,
        backtest.is_within_band
    from rpt_pipeline_value_backtest as backtest
    left join rpt_pipeline_value_methods as methods
        on backtest.method = methods.method
)

select * from final
order by forecast_date desc, is_default desc, method asc
