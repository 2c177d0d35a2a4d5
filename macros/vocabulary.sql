{# A name or a value as it is compared: without case, blanks, underscores and hyphens. #}
{% macro folded(column) -%}
    lower(replace(replace(replace({{ to_text(column) }}, ' ', ''), '_', ''), '-', ''))
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
