with

ml_win_rate_drivers as (
    select * from {{ ref('ml_win_rate_drivers') }}
),

final as (
    select
        factor,
        level,
        half_year_start_date,
        closed_deal_count,
        won_deal_count,
        won_deal_count * 1.0 / closed_deal_count as win_rate,
        vs_others_pp,
        vs_others_standard_error_pp,
        vs_others_lower_pp,
        vs_others_upper_pp,
        vs_others_p_value,
        is_penalised,
        half_year_count,
        stability_p_value,
        stability_q_value,
        stability_verdict,
        is_sign_flip
    from ml_win_rate_drivers
    where half_year_start_date is not null
)

select * from final
