{# The first day of the period of `month_count` months (a month, quarter or half-year of the calendar) that holds `month`, itself the
   first day of a month. #}
{% macro period_start(month, month_count) -%}
    cast({{ dbt.dateadd('month', '(-((extract(month from ' ~ month ~ ') - 1) % ' ~ month_count ~ '))', month) }} as date)
{%- endmacro %}
