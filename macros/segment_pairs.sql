{# Every pair of dimensions, in the order they are listed. #}
{% macro segment_pairs(dimensions) %}
    {% set pairs = [] %}
    {% for first in dimensions %}
        {% for second in dimensions[loop.index:] %}
            {% do pairs.append((first, second)) %}
        {% endfor %}
    {% endfor %}
    {{ return(pairs) }}
{% endmacro %}

{# The columns that say which pair a row of `pair_sets` is about. #}
{% macro pair_columns(pairs) -%}
    case
        {%- for first, second in pairs %}
        when grouping({{ first }}) = 0 and grouping({{ second }}) = 0 then '{{ first }} x {{ second }}'
        {%- endfor %}
    end as segment_dimension,
    {%- for position, name in [(0, 'first_segment_value'), (1, 'second_segment_value')] %}
    case
        {%- for pair in pairs %}
        when grouping({{ pair[0] }}) = 0 and grouping({{ pair[1] }}) = 0 then {{ pair[position] }}
        {%- endfor %}
    end as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# `keys` with each pair of dimensions. #}
{% macro pair_sets(keys, pairs) -%}
    grouping sets (
        {%- for first, second in pairs %}
        ({{ (keys + [first, second]) | join(', ') }}){{ "," if not loop.last }}
        {%- endfor %}
    )
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
