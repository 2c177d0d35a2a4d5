{# How long a stalled deal has stood still: in its stage beyond the usual, or without any activity. 0 when it isn't stalled. #}
{% macro stalled_days(deals) -%}
    case when {{ deals }}.is_stalled is not null then greatest(
        case when {{ deals }}.days_in_stage > {{ deals }}.stall_threshold_days then {{ deals }}.days_in_stage else 0 end,
        case when {{ deals }}.days_since_last_activity >= {{ var('stall_inactivity_days') }} then {{ deals }}.days_since_last_activity else 0 end
    ) end
{%- endmacro %}

{# The metrics of an open deal, and what stands for each of them in words. #}
{% macro alert_deal_evidence() %}
    {% set activity = "coalesce('last activity on ' || cast(last_activity_date as " ~ dbt.type_string() ~ "), 'never any activity')" %}
    {{ return({
        "risk_score": "'risk score ' || risk_score || ', win probability ' || " ~ percent("win_probability") ~ " || coalesce('; ' || reason, '.')",
        "stalled_days": "'stalled for ' || stalled_days || ' days'
            || case when days_in_stage > stall_threshold_days then '; ' || days_in_stage || ' days in its stage, where "
            ~ "%g" | format(100 * var("stall_quantile")) ~ " % of won deals stayed at most ' || stall_threshold_days else '' end
            || case when days_since_last_activity is null then '.' else '; ' || " ~ activity ~ " || '.' end",
        "days_since_last_activity": "'no activity for ' || days_since_last_activity || ' days; ' || " ~ activity ~ " || '.'",
        "days_overdue": "'expected to close on ' || cast(expected_close_date as " ~ dbt.type_string() ~ ") || ', ' || days_overdue || ' days ago'
            || coalesce('; pushed ' || push_count || case push_count when 1 then ' time' else ' times' end, '') || '.'",
    }) }}
{% endmacro %}

{# One row per metric and open deal of which it is known. #}
{% macro alert_deal_values(deals) %}
    {% for metric, evidence in alert_deal_evidence().items() -%}
    select
        '{{ metric }}' as metric,
        'deal' as subject_type,
        deal_id as subject_id,
        subject_name,
        cast({{ metric }} as double) as value,
        {{ "cast(previous_risk_score as double)" if metric == "risk_score" else "cast(null as double)" }} as previous_value,
        cast(null as boolean) as is_signal,
        deal_amount,
        sales_rep_id,
        subject_name || ' (' || deal_id || coalesce(', ' || {{ money('deal_amount') }}, '') || coalesce(', ' || stage, '') || '): '
        || {{ evidence }} as evidence
    from {{ deals }}
    where {{ metric }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}

{# The metrics of months, the same today and in a replay: value and signal of a month, and the columns of its level. #}
{% macro alert_months() %}
    {{ return({
        "win_rate_gap_pp": {
            "level": "win_rate",
            "expected": "expected_win_rate",
            "value": "100 * (win_rate - expected_win_rate)",
            "is_signal": "verdict = 'signal' and (alarm_direction = 'below') = (win_rate < expected_win_rate)",
        },
        "created_volume_change_rate": {
            "level": "value",
            "expected": "expected_value",
            "value": "value / nullif(expected_value, 0) - 1",
            "is_signal": "verdict = 'signal'",
        },
    }) }}
{% endmacro %}

{# The metrics that aren't of a deal: each a value, whether its verdict is a signal, and the sentence of its mart. #}
{% macro alert_company_values() %}
    {% set text = dbt.type_string() %}
    {% set months = alert_months() %}
    {% set metrics = [
        ("win_rate_gap_pp", "win_rate", "'all'", "'All deals'", "value", "is_signal", "null", "finding", "win_rates where recency = 1"),
        (
            "created_volume_change_rate", "volume", "'created_deals'", "'Created deals'", months.created_volume_change_rate.value,
            months.created_volume_change_rate.is_signal, "null", volume_finding(),
            ref("int_volume_changes") ~ " where metric = 'created_deals' and period_type = 'month' and is_newest_period",
        ),
        (
            "segment_gap_pp", "segment", "segment_dimension || ': ' || segment_value", "segment_dimension || ' ' || segment_value",
            "100 * vs_rest_difference", "verdict = 'signal'", "case segment_dimension when 'sales_rep_id' then segment_value end", "finding",
            ref("rpt_segment_win_rates") ~ " where period = 'all' and second_segment_value is null and not is_known_only_after_close
            and segment_dimension not in ('all', 'lead_source')",
        ),
        (
            "source_gap_pp", "lead_source", "segment_value", "'lead_source ' || segment_value", "100 * abs(vs_rest_difference)",
            "verdict = 'signal'", "null", "finding", ref("rpt_segment_win_rates") ~ " where period = 'all' and segment_dimension = 'lead_source'",
        ),
        (
            "driver_swing_pp", "driver", "drivers.factor || ': ' || drivers.level", "drivers.factor || ' ' || drivers.level", "swing_pp",
            "is_sign_flip", "null", "finding", ref("rpt_win_rate_drivers") ~ " as drivers inner join (
                select factor, level, max(vs_others_pp) - min(vs_others_pp) as swing_pp from " ~ ref("rpt_win_rate_driver_half_years") ~ " group by factor, level
            ) as swings on drivers.factor = swings.factor and drivers.level = swings.level where not is_known_only_after_close and is_sign_flip is not null and swing_pp is not null",
        ),
        (
            "calibration_error_pp", "score", "'scores'", "'Deal scores'", "100 * mean_error", scores_are_off(), "null", scores_finding(),
            ref("rpt_score_quality") ~ " as quality inner join (
                select method, sum(weighted_deal_count * abs(predicted_win_rate - win_rate)) / sum(weighted_deal_count) as mean_error
                from " ~ ref("rpt_score_calibration") ~ " group by method
            ) as calibrations on quality.score_status = calibrations.method cross join " ~ ref("int_confidence_quantile") ~ " as quantiles
            where fold = 'all' and score_status in ('model', 'table')",
        ),
    ] %}
    {% for metric, subject_type, subject_id, subject_name, value, is_signal, sales_rep_id, evidence, relation in metrics -%}
    select
        '{{ metric }}' as metric,
        '{{ subject_type }}' as subject_type,
        {{ subject_id }} as subject_id,
        {{ one_line(subject_name) }} as subject_name,
        cast({{ value }} as double) as value,
        cast(null as double) as previous_value,
        coalesce({{ is_signal }}, false) as is_signal,
        cast(null as decimal(18, 2)) as deal_amount,
        cast({{ sales_rep_id }} as {{ text }}) as sales_rep_id,
        {{ one_line(evidence) }} as evidence
    from {{ relation }}
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}
