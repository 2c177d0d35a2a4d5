{{ config(materialized = 'view') }}

with

alert_rules as (
    select * from {{ ref("stg_files__alert_rules") if var("alert_rules_file", none) else ref("alert_rules") }}
),

metrics as (
    {% for metric, about in alert_metrics().items() -%}
    select
        '{{ metric }}' as metric,
        '{{ about.subject_type }}' as subject_type,
        {{ about.needs_signal }} as needs_signal,
        {{ about.is_score }} as is_score
    {{ "union all" if not loop.last }}
    {% endfor %}
),

severities as (
    {% for severity in alert_severities() -%}
    select
        '{{ severity }}' as severity,
        {{ loop.index }} as severity_rank
    {{ "union all" if not loop.last }}
    {% endfor %}
),

typed as (
    select
        {% for column in ['alert_rule_id', 'metric', 'comparator', 'severity', 'audience', 'cadence', 'description'] -%}
        {{ to_text(column) }} as {{ column }},
        {% endfor -%}
        {{ try_cast('threshold', 'double') }} as threshold,
        {{ to_text('above_amount') }} as above_amount_text,
        {{ to_amount('above_amount') }} as above_amount,
        {{ try_cast('cool_down_days', 'integer') }} as cool_down_days
    from alert_rules
),

final as (
    select
        typed.*,
        metrics.subject_type,
        metrics.needs_signal,
        metrics.is_score,
        severities.severity_rank
    from typed
    left join metrics
        on typed.metric = metrics.metric
    left join severities
        on typed.severity = severities.severity
)

select * from final
