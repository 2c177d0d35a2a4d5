-- Whose open deals carry the most risk, and whose past forecasts came out?
-- The most expected loss first. forecast_bias_rate above 0: the CRM said more of the rep's past pipelines than came; only a signal is one beyond chance, and
-- a bias that all reps share is that of the stages' probabilities. on_time_rate is the share closed by the first date that was said. Without open deals the
-- first part is null, without stage or field history the second.
with

rpt_rep_performance as (
    select * from {{ ref('rpt_rep_performance') }}
),

final as (
    select
        sales_rep_id,
        rep_name,
        manager,
        open_deal_count,
        open_amount,
        revenue_at_risk_amount,
        at_risk_deal_count,
        at_risk_amount,
        stalled_in_stage_deal_count,
        inactive_deal_count,
        forecast_deal_count,
        forecast_date_count,
        forecast_amount,
        realised_amount,
        forecast_bias_rate,
        forecast_bias_lower,
        forecast_bias_upper,
        forecast_bias_verdict,
        dated_deal_count,
        on_time_rate,
        on_time_rate_lower,
        on_time_rate_upper,
        median_slip_days,
        forecast_finding
    from rpt_rep_performance
)

select * from final
order by revenue_at_risk_amount desc, sales_rep_id asc
