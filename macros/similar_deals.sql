{# Key of the cell of deals that share the first `depth` of the dimensions, by `depths.depth`. Two values that make one key
   by accident only bring candidates that match less. #}
{% macro similar_cell_key(dimensions) -%}
    case depths.depth
        {%- for depth in range(dimensions | length + 1) %}
        when {{ depth }} then {{ dimensions[:depth] | join(" || ' | ' || ") if depth else "''" }}
        {%- endfor %}
    end
{%- endmacro %}


{# What open deals with the same values in all dimensions share, and no others: each value with its length before it. #}
{% macro similar_deal_profile() -%}
    {% for dimension in var('similar_deal_dimensions') -%}
    length({{ dimension }}) || ':' || {{ dimension }}{{ " || " if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{# Do an open and a won deal have the same value? Two that are unknown are not known to be the same. #}
{% macro is_same_segment(dimension) -%}
    open_deals.{{ dimension }} = won_deals.{{ dimension }} and won_deals.{{ dimension }} <> 'Unknown'
{%- endmacro %}


{# What a row of fct_similar_won_deals says, in a sentence: what happened, not why. #}
{% macro similar_deal_finding() -%}
    similar_deal_id || ' was won on ' || cast(similar_won_date as {{ dbt.type_string() }}) || ' after ' || similar_cycle_days || ' days by '
    || similar_sales_rep_id || ': '
    || case when matching_dimension_count = 0 then 'no segment in common' else matching_values || ' in common' end
    || ' (' || matching_dimension_count || ' of {{ var("similar_deal_dimensions") | length }}), an amount of '
    || cast(cast(similar_deal_amount as decimal(18, 0)) as {{ dbt.type_string() }}) || ' where this deal has '
    || cast(cast(deal_amount as decimal(18, 0)) as {{ dbt.type_string() }}) || '.'
    || case
        when similar_days_in_stage is null or days_in_stage is null then ''
        else ' It spent ' || similar_days_in_stage || ' days in ' || stage || ', where this deal has been for ' || days_in_stage || '.'
    end
{%- endmacro %}
