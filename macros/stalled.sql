{# Has a visit lasted longer than nearly all visits of won deals did? Null without a visit or a limit: nobody can say then. #}
{% macro is_stalled_in_stage(days_in_stage, stall_threshold_days) -%}
    {{ days_in_stage }} > {{ stall_threshold_days }}
{%- endmacro %}

{# Has nothing happened for long? Null without activities in the input. #}
{% macro is_inactive(inactive_days) -%}
    {{ inactive_days }} >= {{ var('stall_inactivity_days') }}
{%- endmacro %}

{# Days beyond a limit, 0 within it. greatest() would pass over what isn't known. #}
{% macro days_over(days, limit_days) -%}
    case when {{ days }} > {{ limit_days }} then {{ days }} - {{ limit_days }} when {{ days }} <= {{ limit_days }} then 0 end
{%- endmacro %}
