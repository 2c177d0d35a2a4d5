{# Undated companion rows with a key of their own: equal rows once with their row_count, and reason codes. #}
{% macro checked_keys(input, key, reasons) %}
{%- set columns = input_columns(input) -%}
with

distinct_rows as (
    select
        {% for column in columns -%}
            {{ to_text(column) }} as {{ column }},
        {% endfor -%}
        count(*) as row_count
    from {{ ref('int_input__' ~ input) }}
    group by {% for column in columns %}{{ to_text(column) }}{{ ", " if not loop.last }}{% endfor %}
),

counted as (
    select
        *,
        count(*) over (partition by {{ key | join(', ') }}) as version_count
    from distinct_rows
),

final as (
    select
        {% for column in columns -%}
            {{ column }},
        {% endfor -%}
        row_count,
        {{ raw_values(columns) }} as raw_values,
        {{ reason_codes(reasons + [
            (key | join(" is not null and ") ~ " is not null and version_count > 1", key | join("_and_") ~ "_conflicting"),
        ]) }} as reason_codes
    from counted
)

select * from final
{% endmacro %}
