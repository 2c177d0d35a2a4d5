-- noqa: disable=layout.indent
{% set estimates = [
    'win_rate_lower', 'win_rate_upper', 'amount_win_rate_lower', 'amount_win_rate_upper', 'size_effect_lower', 'size_effect_upper',
    'pooled_win_rate', 'prior_deal_count', 'has_no_evidence_of_differences', 'shrunk_win_rate', 'rest_deal_count', 'rest_win_rate',
    'vs_rest_difference', 'vs_rest_difference_lower', 'vs_rest_difference_upper',
] %}
{% set tests = [
    'vs_rest_p_value', 'expected_win_rate', 'interaction_p_value', 'family_segment_count', 'family_p_value', 'family_q_value',
    'tier_family_count', 'tier_selected_family_count', 'step_down_p_value', 'step_down_threshold', 'segment_q_value', 'verdict',
] %}

with

int_segment_win_counts as (
    select * from {{ ref('int_segment_win_counts') }}
),

int_segment_win_rate_estimates as (
    select * from {{ ref('int_segment_win_rate_estimates') }}
),

int_segment_win_rate_tests as (
    select * from {{ ref('int_segment_win_rate_tests') }}
),

int_median_deal_amounts as (
    select * from {{ ref('int_median_deal_amounts') }}
),

int_median_cycle_days as (
    select * from {{ ref('int_median_cycle_days') }}
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

joined as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.period,
        counts.first_segment_value,
        counts.second_segment_value,
        int_periods.period_start_date,
        int_periods.period_end_date,
        int_periods.is_partial_period,
        counts.is_known_only_after_close,
        counts.closed_deal_count,
        counts.won_deal_count,
        counts.closed_deal_count - counts.won_deal_count as lost_deal_count,
        counts.won_deal_count * 1.0 / nullif(counts.closed_deal_count, 0) as win_rate,
        cast(counts.closed_amount as decimal(18, 2)) as closed_amount,
        cast(counts.won_amount as decimal(18, 2)) as won_amount,
        cast(counts.closed_amount - counts.won_amount as decimal(18, 2)) as lost_amount,
        cast(counts.won_amount as double) / nullif(cast(counts.closed_amount as double), 0) as amount_win_rate,
        cast(counts.closed_amount as double) / nullif(counts.closed_deal_count, 0) as mean_deal_amount,
        amounts.median_deal_amount,
        counts.cycle_days * 1.0 / nullif(counts.closed_deal_count, 0) as mean_cycle_days,
        cycles.median_cycle_days,
        counts.verdict_tier,
        {% for column in estimates -%}
        estimates.{{ column }},
        {% endfor -%}
        {% for column in tests -%}
        tests.{{ column }}{{ "," if not loop.last }}
        {% endfor %}
    from int_segment_win_counts as counts
    inner join int_periods
        on counts.period = int_periods.period
    {% for model, alias in [
        ('int_segment_win_rate_estimates', 'estimates'), ('int_segment_win_rate_tests', 'tests'),
        ('int_median_deal_amounts', 'amounts'), ('int_median_cycle_days', 'cycles'),
    ] -%}
    left join {{ model }} as {{ alias }}
        on
            counts.segment_dimension = {{ alias }}.segment_dimension
            and counts.segment_value = {{ alias }}.segment_value
            and counts.period = {{ alias }}.period
    {% endfor %}
),

final as (
    select
        *,
        amount_win_rate / nullif(win_rate, 0) as size_effect_ratio,
        closed_deal_count * (pooled_win_rate - shrunk_win_rate) as excess_lost_deal_count,
        cast(closed_amount * (pooled_win_rate - shrunk_win_rate) as decimal(18, 2)) as excess_lost_amount,
        {{ win_rate_finding() }} as finding
    from joined
)

select * from final
