{# The dimensions that the user adds to the built-in ones, a mapping each: dimension (its name here), column (its name in the file), label, kind
   (text, or number: cut into quantile bands) and known (creation, changes or close). With `known`, those known at one of these times alone. #}
{% macro own_dimensions(known=["creation", "changes", "close"]) %}
    {% set found = [] %}
    {% for each in var("own_dimensions", []) if each.get("known", "creation") in known %}
        {% do found.append(each) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{# Names of a var that lists dimensions, and after them the own ones whose values are known early enough for its use. #}
{% macro dimensions_of(variable, known=["creation", "changes"]) %}
    {% set names = var(variable) | list %}
    {% for each in own_dimensions(known) if each.dimension not in names %}
        {% do names.append(each.dimension) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{# Factors of the driver models. Reps are judged in their own mart: in a fit with them, regions and teams couldn't be told apart from them. #}
{% macro driver_factors() %}
    {{ return(dimensions_of("driver_factors", known=["creation"]) | reject("equalto", "sales_rep_id") | list) }}
{% endmacro %}


{# The rows of var score_factors, and one of each own dimension that isn't known at the close only. #}
{% macro score_factors() %}
    {% set factors = var("score_factors") | list %}
    {% set names = factors | map(attribute="factor") | list %}
    {% for each in own_dimensions(["creation", "changes"]) if each.dimension not in names %}
        {% do factors.append({"factor": each.dimension, "label": dimension_label(each.dimension), "column": each.dimension}) %}
    {% endfor %}
    {{ return(factors) }}
{% endmacro %}


{# What people call a dimension: its label, else its name in words. #}
{% macro dimension_label(dimension) %}
    {% set labels = {} %}
    {% for each in own_dimensions() if each.get("label") %}
        {% do labels.update({each.dimension: each.label}) %}
    {% endfor %}
    {{ return(labels.get(dimension, dimension | replace("_", " "))) }}
{% endmacro %}


{# `select *` of deals whose blank values of `dimensions` read Unknown, as segments have it: append it to the star. #}
{% macro unknown_for_blank(dimensions) -%}
    {%- if dimensions %} replace (
        {%- for dimension in dimensions %}
        coalesce({{ dimension }}, 'Unknown') as {{ dimension }}{{ "," if not loop.last }}
        {%- endfor %}
    ){% endif -%}
{%- endmacro %}


{# The value of a dimension in `column` as fits and pairs have it: of an own dimension '(rare)' if it isn't in the relation `frequent_values`. #}
{% macro frequent_value(column, dimension, frequent_values) -%}
    {%- if dimension in own_dimensions() | map(attribute="dimension") -%}
    case
        when {{ column }} in (
            select frequent.dimension_value from {{ frequent_values }} as frequent
            where frequent.dimension = '{{ dimension }}'
        ) then {{ column }} else '(rare)'
    end
    {%- else -%}
    coalesce(cast({{ column }} as {{ dbt.type_string() }}), 'Unknown')
    {%- endif -%}
{%- endmacro %}


{# Columns of the deals whose values are folded to the spelling of most: segments, what is known of losses, own dimensions of text. #}
{% macro spelled_columns() %}
    {% set names = ["industry", "region", "product_type", "lead_source", "deal_type", "lost_reason", "competitor"] %}
    {% for each in own_dimensions() if each.get("kind") != "number" %}
        {% do names.append(each.dimension) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
