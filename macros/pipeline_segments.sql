{# What the open pipeline is split by, beside all of it together: the names and, in the same order, a deal's values. Unnest both side by side. #}
{% macro pipeline_segment_dimensions() -%}
    ['all', {% for dimension in dimensions_of("segment_dimensions") %}'{{ dimension }}', {% endfor %}'deal_stage', 'expected_close_month']
{%- endmacro %}

{% macro pipeline_segment_values(deals, deal_stage) -%}
    [
        'all', {% for dimension in dimensions_of("segment_dimensions") %}coalesce({{ deals }}.{{ dimension }}, 'Unknown'), {% endfor %}coalesce({{ deal_stage }}, 'Unknown'),
        coalesce(cast(cast({{ dbt.date_trunc("month", deals ~ ".expected_close_date") }} as date) as {{ dbt.type_string() }}), 'Unknown')
    ]
{%- endmacro %}
