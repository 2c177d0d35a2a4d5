{# A text as names are compared: without case, blanks, underscores and hyphens. #}
{% macro folded(column) -%}
    lower(replace(replace(replace({{ column }}, ' ', ''), '_', ''), '-', ''))
{%- endmacro %}

{# The last moment that a timestamp stands for: midnight sharp is a date without a time of day, and stands for all of it. #}
{% macro end_of_moment(column) -%}
    case
        when {{ column }} = cast(cast({{ column }} as date) as timestamp)
            then {{ dbt.dateadd('microsecond', -1, dbt.dateadd('day', 1, column)) }}
        else {{ column }}
    end
{%- endmacro %}

{# Are the stages of the field history and of the value intervals the stage history? They are where no file gives one and none is kept. #}
{% macro reads_recorded_stages() %}
    {% set is_recorded = var("field_history_file", none) or var("value_intervals_file", none) %}
    {{ return(reads_files() and is_recorded and not var("stage_history_file", none) and not keeps_history("stage_history")) }}
{% endmacro %}

{# Which input declares how the values of histories are written: that of the field history, unless value intervals alone are given. #}
{% macro values_input() %}
    {{ return("value_intervals" if var("value_intervals_file", none) and not var("field_history_file", none) else "field_history") }}
{% endmacro %}
