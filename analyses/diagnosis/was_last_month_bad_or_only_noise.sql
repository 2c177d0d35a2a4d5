-- Was last month bad or only noise?
-- Is our win rate falling, or has the mix of deals changed?
-- The six newest complete months by close, each judged twice: against one rate for all, and risk adjusted, against what the driver model expects of its
-- deals. verdict is the month's, trend_verdict that of the whole series. If only the plain one is a signal, the mix of deals has changed; if the risk
-- adjusted one is, we win less of the same deals. A month within lower_limit and upper_limit can still be an alarm: a sum of small drops is one too.
with

rpt_win_rate_trend as (
    select
        *,
        row_number() over (partition by is_risk_adjusted order by period_start_date desc) as newest_first
    from {{ ref('rpt_win_rate_trend') }}
    where
        basis = 'closed_date'
        and period_type = 'month'
        and not is_partial_period
),

final as (
    select
        period_start_date,
        is_risk_adjusted,
        closed_deal_count,
        win_rate,
        win_rate_lower,
        win_rate_upper,
        expected_win_rate,
        lower_limit,
        upper_limit,
        verdict,
        coalesce(missing_reason, finding) as finding,
        trend_period_count,
        trend_pp_per_period,
        trend_lower_pp,
        trend_upper_pp,
        trend_verdict,
        trend_finding
    from rpt_win_rate_trend
    where newest_first <= 6
)

select * from final
order by period_start_date desc, is_risk_adjusted asc
