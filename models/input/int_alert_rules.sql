{{ config(materialized = 'view') }}

with

alert_rules as (
    select * from {{ ref("stg_files__alert_rules") if var("alert_rules_file", none) else ref("alert_rules") }}
),

-- needs_signal: statistical, so a rule on it fires on the verdict and never on a raw difference. is_score: a closed gate has no value for it.
metrics (metric, subject_type, needs_signal, is_score) as (
    values
    ('risk_score', 'deal', false, true),
    ('days_over_stall_limit', 'deal', false, false),
    ('days_since_last_activity', 'deal', false, false),
    ('days_overdue', 'deal', false, false),
    ('win_rate_gap_pp', 'win_rate', true, false),
    ('created_volume_change_rate', 'volume', true, false),
    ('segment_gap_pp', 'segment', true, false),
    ('source_gap_pp', 'lead_source', true, false),
    ('driver_swing_pp', 'driver', true, false),
    ('calibration_error_pp', 'score', true, true)
),

-- A more severe alert silences the others of its subject.
severities (severity, severity_rank) as (
    values ('low', 1), ('medium', 2), ('high', 3), ('critical', 4)
),

typed as (
    select
        {{ to_text('alert_rule_id') }} as alert_rule_id,
        {{ to_text('metric') }} as metric,
        {{ to_text('comparator') }} as comparator,
        {{ to_text('severity') }} as severity,
        {{ to_text('audience') }} as audience,
        {{ to_text('cadence') }} as cadence,
        {{ to_text('description') }} as description,
        {{ try_cast('threshold', 'double') }} as threshold,
        {{ to_text('above_amount') }} as above_amount_text,
        {{ to_amount('above_amount', 'alert_rules') }} as above_amount,
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
