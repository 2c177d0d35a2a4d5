{# Has a visit lasted longer than nearly all visits of won deals did? Without a visit or a threshold it hasn't. #}
{% macro is_over_stall_limit(days_in_stage, stall_threshold_days) -%}
    coalesce({{ days_in_stage }} > {{ stall_threshold_days }}, false)
{%- endmacro %}

{# Has nothing happened for long? Without activities in the input nobody can say, so it doesn't count. #}
{% macro is_inactive(inactive_days) -%}
    coalesce({{ inactive_days }} >= {{ var('stall_inactivity_days') }}, false)
{%- endmacro %}

{# The one definition of a stalled deal: too long in its stage, or without activity. Null where nothing is known that could tell. #}
{% macro is_stalled(is_known, days_in_stage, stall_threshold_days, inactive_days) -%}
    case
        when {{ is_known }}
            then
                {{ is_over_stall_limit(days_in_stage, stall_threshold_days) }}
                or {{ is_inactive(inactive_days) }}
    end
{%- endmacro %}

{# How many days a stalled deal has been in its stage or without activity, whichever is more; 0 when it isn't stalled. #}
{% macro stalled_days(is_known, days_in_stage, stall_threshold_days, inactive_days) -%}
    case
        when {{ is_known }} then greatest(
            case when {{ is_over_stall_limit(days_in_stage, stall_threshold_days) }} then {{ days_in_stage }} else 0 end,
            case when {{ is_inactive(inactive_days) }} then {{ inactive_days }} else 0 end
        )
    end
{%- endmacro %}
