-- noqa: disable=layout.select_targets,layout.indent
-- Columns of each mart without which it says little: the first is what it is for. Marts without one say all by having rows.
{% set marts = {
    'fct_deals': [], 'dim_reps': [], 'dim_stages': [], 'dim_dates': [], 'rpt_data_quality': [], 'fct_quarantined_rows': [],
    'rpt_segment_win_rates': ['win_rate'],
    'rpt_win_rate_change': ['win_rate'],
    'rpt_win_rate_trend': ['win_rate', 'expected_win_rate'],
    'rpt_cycle_outcome_gap': ['cycle_outcome_gap_days'],
    'rpt_win_rate_drivers': ['vs_others_pp'],
    'rpt_win_rate_driver_half_years': ['vs_others_pp'],
    'rpt_pipeline_value_backtest': ['forecast_amount', 'yield_p50_amount'],
    'rpt_pipeline_value_methods': ['mean_absolute_error_rate'],
    'fct_open_deals': [],
    'fct_deal_values': ['rapv_amount'],
    'rpt_pipeline_value': ['rapv_amount', 'yield_p50_amount'],
    'fct_deal_stage_visits': [],
    'rpt_stage_durations': ['median_days'],
    'rpt_stage_conversion': ['stage_win_probability'],
    'rpt_score_quality': ['auc'],
    'rpt_score_calibration': ['win_rate'],
    'fct_deal_scores': ['win_probability'],
    'fct_deal_score_reasons': [],
    'fct_deal_score_history': ['win_probability'],
    'rpt_score_drift': ['psi'],
    'fct_pipeline_movements': [],
    'rpt_pipeline_bridge': [],
    'fct_similar_won_deals': [],
    'rpt_lost_reasons': ['lost_share'],
    'rpt_rep_performance': ['win_rate', 'risk_adjusted_win_rate'],
    'rpt_pipeline_health': ['metric_value'],
    'fct_alert_checks': ['value'],
    'fct_alert_events': [], 'fct_alerts': [], 'rpt_digest_rows': [], 'rpt_digests': [],
    'rpt_alert_rules_backtest': ['replay_date_count'],
    'fct_recommended_actions': [],
    'rpt_intervention_effects': ['difference'],
    'fct_forecast_calls': [], 'fct_deal_dimensions': [], 'dim_bands': [], 'dim_dimensions': [],
} %}

{% for mart, columns in marts.items() -%}
select '{{ mart }}' as mart, count(*) as row_count, count({{ columns[0] if columns else '*' }}) as value_count,
    concat_ws(', '{% for column in columns %}, case when count({{ column }}) = 0 then '{{ column }}' end{% endfor %}, '') as empty_columns
from {{ ref(mart) }}{{ " where input_name = " ~ input_name_text() if mart in ['fct_deal_score_history', 'fct_alert_events'] }}
{{ "union all" if not loop.last }}
{% endfor %}
