-- What did each method say at past month ends, and what came of the deals open then? One row per month end and method; is_nearest marks
-- the method that came nearest. rpt_pipeline_value_methods sums this up. Month ends share deals, so errors of neighbours move together:
-- half a year of one sign is no trend.
with

rpt_pipeline_value_backtest as (
    select * from {{ ref('rpt_pipeline_value_backtest') }}
    where is_evaluable
),

rpt_pipeline_value_methods as (
    select * from {{ ref('rpt_pipeline_value_methods') }}
),

final as (
    select
        rpt_pipeline_value_backtest.forecast_date,
        rpt_pipeline_value_backtest.method,
        rpt_pipeline_value_methods.is_default,
        rpt_pipeline_value_backtest.valued_deal_count,
        rpt_pipeline_value_backtest.raw_amount,
        rpt_pipeline_value_backtest.forecast_amount,
        rpt_pipeline_value_backtest.realised_amount,
        rpt_pipeline_value_backtest.error_amount,
        rpt_pipeline_value_backtest.error_rate,
        abs(rpt_pipeline_value_backtest.error_rate)
        = min(abs(rpt_pipeline_value_backtest.error_rate)) over (partition by rpt_pipeline_value_backtest.forecast_date) as is_nearest
    from rpt_pipeline_value_backtest
    left join rpt_pipeline_value_methods
        on rpt_pipeline_value_backtest.method = rpt_pipeline_value_methods.method
)

select * from final
order by forecast_date asc, is_default desc, method asc
