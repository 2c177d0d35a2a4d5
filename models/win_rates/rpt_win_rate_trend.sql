with

ml_win_rate_trend as (
    select * from {{ ref('ml_win_rate_trend') }}
),

-- By closed date they are in no period; of cohorts they count.
undated as (
    select
        cohort_month,
        cast(sum(deal_count) as bigint) as deal_count
    from {{ ref('int_closed_deal_counts') }}
    where
        segment_dimension = 'all'
        and closed_month is null
    group by cohort_month
),

bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where
        problem = 'no_close_date'
        and is_bending
),

worded as (
    select
        *,
        (
            select coalesce(sum(undated.deal_count), 0)
            from undated
            where
                ml_win_rate_trend.basis = 'closed_date'
                or undated.cohort_month between ml_win_rate_trend.period_start_date and ml_win_rate_trend.period_end_date
        ) as no_close_date_deal_count,
        {{ trend_chart_finding('ml_win_rate_trend') }} as finding,
        {{ trend_finding('ml_win_rate_trend') }} as trend_finding
    from ml_win_rate_trend
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
        cast(no_close_date_deal_count as bigint) as no_close_date_deal_count,
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
        finding
        || case
            when basis = 'closed_date' and exists (select 1 from bent)
                then ' Not in it: ' || no_close_date_deal_count || ' closed deals without a close date, of which another share was won.'
            else ''
        end as finding,
        trend_period_count,
        trend_deal_count,
        trend_pp_per_period,
        trend_lower_pp,
        trend_upper_pp,
        trend_dispersion,
        trend_z_score,
        trend_p_value,
        trend_q_value,
        trend_confidence_level,
        is_season_adjusted,
        trend_verdict,
        trend_finding
    from worded
)

select * from final
