{# The first day of the period of `month_count` months (a month, quarter, half-year or year of the company) that holds `month`, itself the
   first day of a month. The company's year begins with the month fiscal_year_start_month. #}
{% macro period_start(month, month_count) -%}
    cast({{ dbt.dateadd('month', '(-((extract(month from ' ~ month ~ ') + ' ~ (12 - var('fiscal_year_start_month')) ~ ') % ' ~ month_count ~ '))', month) }} as date)
{%- endmacro %}

{# The first day of the quarter of the company that holds `day`. #}
{% macro quarter_start(day) -%}
    {{ period_start(dbt.date_trunc('month', day), 3) }}
{%- endmacro %}

{# The last day of the quarter of the company that holds `day`. #}
{% macro quarter_end(day) -%}
    cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', 3, quarter_start(day))) }} as date)
{%- endmacro %}

{# The first day of the year of the company that holds `day`. #}
{% macro year_start(day) -%}
    {{ period_start(dbt.date_trunc('month', day), 12) }}
{%- endmacro %}
