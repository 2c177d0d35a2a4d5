-- noqa: disable=layout.indent
{% set has_band = var('default_value_method') == 'rapv' %}
{% set month_end_metrics = {
    'raw_amount': ('raw_amount', 'null', 'null'),
    'risk_adjusted_amount': ('rapv_amount', 'p10_amount', 'p90_amount'),
    'optimism_gap': ('1 - rapv_amount / raw_amount', '1 - p90_amount / raw_amount', '1 - p10_amount / raw_amount'),
    'revenue_at_risk': ('raw_amount - rapv_amount', 'raw_amount - p90_amount', 'raw_amount - p10_amount'),
} %}
{% set open_metrics = dict(month_end_metrics) %}
{% for metric in ['good_segment_share', 'pipeline_quality', 'mix_index', 'coverage_needed', 'coverage'] -%}
    {% do open_metrics.update({metric: (metric, 'null', 'null')}) %}
{%- endfor %}

with

int_open_mix as (
    select * from {{ ref('int_open_mix') }}
    where open_deal_count > 0
),

month_ends as (
    select
        cast({{ dbt.date_trunc('month', 'forecast_date') }} as date) as period_start_date,
        open_deal_count,
        raw_amount,
        forecast_amount as rapv_amount,
        yield_p10_amount as p10_amount,
        yield_p90_amount as p90_amount
    from {{ ref('rpt_pipeline_value_backtest') }}
    where method = 'rapv'

    union all

    select
        cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as period_start_date,
        open_deal_count,
        raw_amount,
        rapv_amount,
        {{ "yield_p10_amount" if has_band else "null" }} as p10_amount,
        {{ "yield_p90_amount" if has_band else "null" }} as p90_amount
    from {{ ref('rpt_pipeline_value') }}
    where segment_dimension = 'all'
),

flags as (
    {%- for flag in ['stalled', 'stale'] %}
    select
        '{{ flag }}_rate' as metric,
        cast({{ dbt.date_trunc('month', 'max(open_deals.as_of_date)') }} as date) as period_start_date,
        avg(case when open_deals.is_{{ flag }} then 1.0 else 0.0 end) as share,
        count(*) as deal_count,
        max(quantile.normal_quantile) as normal_quantile
    from {{ ref('fct_open_deals') }} as open_deals
    cross join {{ ref('int_confidence_quantile') }} as quantile
    where open_deals.is_{{ flag }} is not null
    {{- "\n\n    union all\n" if not loop.last }}
    {%- endfor %}
),

metrics as (
    select * from {{ ref('int_monthly_rates') }}
    union all
    select
        metric,
        'as_of_date' as basis,
        period_start_date,
        share as metric_value,
        {{ wilson('share', 'deal_count', 'normal_quantile', '-') }} as value_lower,
        {{ wilson('share', 'deal_count', 'normal_quantile', '+') }} as value_upper,
        deal_count
    from flags
    union all
    select * from {{ ref('int_monthly_efficiency') }}
    {%- for metric, (value, lower, upper) in open_metrics.items() %}
    union all
    select
        '{{ metric }}' as metric,
        '{{ "month_end" if metric in month_end_metrics else "as_of_date" }}' as basis,
        period_start_date,
        {{ value }} as metric_value,
        {{ lower }} as value_lower,
        {{ upper }} as value_upper,
        open_deal_count as deal_count
    from {{ "month_ends" if metric in month_end_metrics else "int_open_mix" }}
    {%- endfor %}
),

final as (
    select
        months.period_start_date,
        health_metrics.metric,
        health_metrics.basis,
        health_metrics.metric_order,
        health_metrics.unit,
        {% for column in ['metric_value', 'value_lower', 'value_upper'] -%}
        cast(case when health_metrics.basis <> 'created_cohort' or months.is_mature_cohort then metrics.{{ column }} end as double) as {{ column }},
        {% endfor -%}
        cast(metrics.deal_count as bigint) as deal_count,
        case
            when health_metrics.basis = 'created_cohort' and not months.is_mature_cohort then 'immature_cohort'
            when health_metrics.metric = 'mean_won_cycle_days' and health_metrics.basis = 'closed_date' and months.is_truncated then 'truncated'
            when health_metrics.basis in ('closed_date', 'month', 'month_end') and months.is_partial_period then 'partial_period'
            else 'complete'
        end as period_status,
        health_metrics.meaning,
        months.as_of_date
    from metrics
    inner join {{ ref('health_metrics') }} as health_metrics
        on
            metrics.metric = health_metrics.metric
            and metrics.basis = health_metrics.basis
    inner join {{ ref('int_health_months') }} as months
        on metrics.period_start_date = months.period_start_date
    where metrics.metric_value is not null
)

select * from final
