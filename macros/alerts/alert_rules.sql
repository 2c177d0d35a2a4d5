{# What alert rules may look at. `needs_signal`: statistical, so a rule on it fires on the verdict and never on a raw difference;
   `is_score`: of a deal's score, so a closed gate has no value for it. #}
{% macro alert_metrics() %}
    {{ return({
        "risk_score": {"subject_type": "deal", "needs_signal": false, "is_score": true},
        "stalled_days": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "days_since_last_activity": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "days_overdue": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "win_rate_gap_pp": {"subject_type": "win_rate", "needs_signal": true, "is_score": false},
        "created_volume_change_rate": {"subject_type": "volume", "needs_signal": true, "is_score": false},
        "segment_gap_pp": {"subject_type": "segment", "needs_signal": true, "is_score": false},
        "source_gap_pp": {"subject_type": "lead_source", "needs_signal": true, "is_score": false},
        "driver_swing_pp": {"subject_type": "driver", "needs_signal": true, "is_score": false},
        "calibration_error_pp": {"subject_type": "score", "needs_signal": true, "is_score": true},
    }) }}
{% endmacro %}

{# Severities, the least first: a more severe alert silences the others of its subject. #}
{% macro alert_severities() %}
    {{ return(["low", "medium", "high", "critical"]) }}
{% endmacro %}

{# `'a', 'b'` of a list. #}
{% macro quoted_list(values) -%}
    {% for value in values %}'{{ value }}'{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}

{# Does the metric's value meet the rule's comparator and threshold? That a crossing was seen is asked elsewhere. #}
{% macro meets_threshold(value, rules) -%}
    case {{ rules }}.comparator
        when 'above' then {{ value }} > {{ rules }}.threshold
        when 'crosses_above' then {{ value }} > {{ rules }}.threshold
        when 'at_least' then {{ value }} >= {{ rules }}.threshold
        when 'below' then {{ value }} < {{ rules }}.threshold
        when 'at_most' then {{ value }} <= {{ rules }}.threshold
        else false
    end
{%- endmacro %}

{# Is `name` one of the words of a blank-separated list? #}
{% macro has_word(list, name) -%}
    ' ' || {{ list }} || ' ' like '% {{ name }} %'
{%- endmacro %}

{# Alerts of the demo don't meet those of the user's files in one database. #}
{% macro alert_source() -%}
    '{{ "files" if reads_files() else "demo" }}'
{%- endmacro %}
