{# Long-form segments from one grouping pass: `segment_dimension` and `segment_value`, with 'all' for everything together.
   Use the two columns with `group by {{ segment_sets(...) }}`. #}
{% macro segment_dimension(dimensions) -%}
    case
        {%- for dimension in dimensions %}
        when grouping({{ dimension }}) = 0 then '{{ dimension }}'
        {%- endfor %}
        else 'all'
    end
{%- endmacro %}

{% macro segment_value(dimensions) -%}
    case
        {%- for dimension in dimensions %}
        when grouping({{ dimension }}) = 0 then {{ dimension }}
        {%- endfor %}
        else 'all'
    end
{%- endmacro %}

{# `keys` with nothing else, then `keys` with each dimension. #}
{% macro segment_sets(keys, dimensions) -%}
    grouping sets (
        ({{ keys | join(', ') }})
        {%- for dimension in dimensions %},
        ({{ (keys + [dimension]) | join(', ') }})
        {%- endfor %}
    )
{%- endmacro %}

{# A date as a segment: the first day of its period as text, Unknown without one. #}
{% macro date_segment(first_day) -%}
    coalesce(cast({{ first_day }} as {{ dbt.type_string() }}), 'Unknown')
{%- endmacro %}

{# 'SaaS x APAC'. A value that could be mistaken for a pair itself is quoted, so that two pairs never share a name. #}
{% macro pair_value(first, second) -%}
    {%- for value in [first, second] -%}
    case
        when ' ' || {{ value }} || ' ' like '% x %' or {{ value }} like '%"%' then '"' || replace({{ value }}, '"', '""') || '"'
        else {{ value }}
    end
    {%- if not loop.last %} || ' x ' || {% endif -%}
    {%- endfor -%}
{%- endmacro %}
