with

ml_win_rate_trend as (
    select * from {{ ref('ml_win_rate_trend') }}
),

final as (
    select
        basis,
        period_type,
        period_start_date,
        period_end_date,
        is_risk_adjusted,
        is_partial_period,
        is_mature,
        won_deal_count,
        lost_deal_count,
        open_deal_count,
        won_deal_count + lost_deal_count as closed_deal_count,
        win_rate,
        win_rate_lower,
        win_rate_upper,
        win_by_age_days,
        win_by_age_rate,
        win_by_age_lower,
        win_by_age_upper,
        win_rate_least,
        win_rate_most,
        baseline_start_date,
        baseline_period_count,
        baseline_deal_count,
        expected_win_rate,
        lower_limit,
        upper_limit,
        dispersion,
        z_score,
        q_score,
        p_value,
        tested_period_count,
        case when p_value * tested_period_count < 1 then p_value * tested_period_count when p_value is not null then 1 end as adjusted_p_value,
        cusum_above,
        cusum_below,
        alarm_kind,
        alarm_direction,
        verdict,
        missing_reason,
        {{ trend_chart_finding('ml_win_rate_trend') }} as finding,
        trend_period_count,
        trend_deal_count,
        trend_pp_per_period,
        trend_lower_pp,
        trend_upper_pp,
        trend_dispersion,
        trend_z_score,
        trend_p_value,
        trend_q_value,
        trend_verdict,
        {{ trend_finding('ml_win_rate_trend') }} as trend_finding
    from ml_win_rate_trend
)

select * from final
