with

ml_win_rate_drivers as (
    select * from {{ ref('ml_win_rate_drivers') }}
    where half_year_start_date is null
),

int_signal_states as (
    select * from {{ ref('int_signal_states') }}
    where claim_type = 'driver'
),

rewritten as (
    select dimension from {{ ref('int_rewritten_dimensions') }}
    where is_left_out
),

counted as (
    select
        drivers.*,
        states.signal_state,
        states.signal_since_date,
        count(*) over (partition by drivers.is_known_only_after_close, drivers.factor) as level_count
    from ml_win_rate_drivers as drivers
    left join int_signal_states as states
        on drivers.factor || '|' || drivers.level || case when drivers.is_known_only_after_close then '|with cycle' else '' end = states.claim
),

worded as (
    select
        *,
        {{ driver_finding('counted') }}
        || case
            when counted.verdict = 'signal' and counted.factor in (select rewritten.dimension from rewritten)
                then ' But its values may be filled in or changed when a deal closes: rpt_data_quality.'
            else ''
        end as finding
    from counted
),

final as (
    select
        is_known_only_after_close,
        factor,
        level,
        pooled_levels,
        closed_deal_count,
        won_deal_count,
        won_deal_count * 1.0 / closed_deal_count as win_rate,
        adjusted_win_rate,
        vs_others_pp,
        vs_others_standard_error_pp,
        vs_others_lower_pp,
        vs_others_upper_pp,
        vs_others_confidence_level,
        shrunk_vs_others_pp,
        detectable_difference_pp,
        other_levels,
        other_level_count,
        design_effect,
        vs_others_p_value,
        adjusted_p_value,
        p_value_threshold,
        verdict,
        signal_state,
        signal_since_date,
        missing_reason,
        reference_level,
        is_reference,
        vs_reference_pp,
        vs_reference_lower_pp,
        vs_reference_upper_pp,
        coefficient,
        standard_error,
        odds_ratio,
        odds_ratio_lower,
        odds_ratio_upper,
        is_separated,
        factor_chi2,
        factor_degrees_of_freedom,
        factor_p_value,
        factor_q_value,
        judged_factor_count,
        fit_deal_count,
        fit_intercept,
        fit_chi2,
        fit_degrees_of_freedom,
        fit_p_value,
        is_penalised,
        half_year_count,
        stability_p_value,
        stability_q_value,
        stability_verdict,
        is_sign_flip,
        finding
    from worded
)

select * from final
