with

int_win_rate_changes as (
    select * from {{ ref('int_win_rate_changes') }}
),

int_win_rate_change_tests as (
    select * from {{ ref('int_win_rate_change_tests') }}
),

totals as (
    select
        *,
        max(period_start_date) over (partition by period_type) as newest_period_start_date
    from int_win_rate_change_tests
    where segment_dimension = 'all'
),

joined as (
    select
        changes.period_type,
        changes.period_start_date,
        changes.previous_period_start_date,
        changes.comparison,
        changes.is_headline,
        changes.period_start_date = totals.newest_period_start_date as is_newest_period,
        changes.segment_dimension,
        changes.segment_value,
        changes.closed_deal_count,
        changes.won_deal_count,
        changes.win_rate,
        changes.deal_share,
        changes.previous_closed_deal_count,
        changes.previous_won_deal_count,
        changes.previous_win_rate,
        changes.previous_deal_share,
        changes.total_change,
        totals.rate_effect_lower as total_change_lower,
        totals.rate_effect_upper as total_change_upper,
        totals.rate_p_value as total_p_value,
        totals.rate_confidence_level as total_confidence_level,
        totals.rate_verdict as total_verdict,
        tests.dispersion,
        changes.rate_effect,
        tests.rate_effect_lower,
        tests.rate_effect_upper,
        tests.rate_p_value,
        tests.rate_q_value,
        tests.rate_family_q_value,
        tests.rate_confidence_level,
        tests.rate_verdict,
        changes.mix_effect,
        tests.mix_effect_lower,
        tests.mix_effect_upper,
        tests.mix_p_value,
        tests.mix_q_value,
        tests.mix_family_q_value,
        tests.mix_confidence_level,
        tests.mix_verdict,
        tests.q_threshold,
        tests.dimension_rate_effect,
        tests.dimension_rate_effect_lower,
        tests.dimension_rate_effect_upper,
        tests.dimension_mix_effect,
        tests.dimension_mix_effect_lower,
        tests.dimension_mix_effect_upper,
        case
            when 'signal' in (tests.rate_verdict, tests.mix_verdict) then 'signal'
            when 'no_signal' in (tests.rate_verdict, tests.mix_verdict) then 'no_signal'
            when 'insufficient_n' in (tests.rate_verdict, tests.mix_verdict) then 'insufficient_n'
            else 'not_computable'
        end as verdict
    from int_win_rate_changes as changes
    inner join int_win_rate_change_tests as tests
        on
            changes.period_type = tests.period_type
            and changes.period_start_date = tests.period_start_date
            and changes.segment_dimension = tests.segment_dimension
            and changes.segment_value = tests.segment_value
    inner join totals
        on
            changes.period_type = totals.period_type
            and changes.period_start_date = totals.period_start_date
),

final as (
    select
        *,
        {{ win_rate_change_finding('joined') }} as finding
    from joined
)

select * from final
