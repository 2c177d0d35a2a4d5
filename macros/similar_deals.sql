{# What open deals with the same values in all dimensions share, and no others: each value with its length before it. #}
{% macro similar_deal_profile(dimensions) -%}
    {% for dimension in dimensions -%}
    length({{ dimension }}) || ':' || {{ dimension }}{{ " || " if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{# Do an open and a won deal have the same value? Two that are unknown are not known to be the same. #}
{% macro is_same_segment(open_deals, won_deals, dimension) -%}
    {{ open_deals }}.{{ dimension }} = {{ won_deals }}.{{ dimension }} and {{ won_deals }}.{{ dimension }} <> 'Unknown'
{%- endmacro %}
