{# What the open pipeline is split by, beside all of it together, and where two of these come from. #}
{% macro pipeline_dimensions() %}
    {{ return(var("segment_dimensions") + ["deal_stage", "expected_close_month"]) }}
{% endmacro %}

{# The first of the month in which a deal is expected to close. #}
{% macro expected_close_month(expected_close_date) -%}
    coalesce(cast(cast({{ dbt.date_trunc('month', expected_close_date) }} as date) as {{ dbt.type_string() }}), 'Unknown')
{%- endmacro %}

{# Deals of a class are nearly alike, so that a group of them can stand for each: amounts within 13 %, probabilities within a point. #}
{% macro amount_class(amount) -%}
    cast(floor(8 * ln({{ amount }})) as {{ dbt.type_int() }})
{%- endmacro %}

{% macro probability_class(expected_amount, amount) -%}
    cast(floor(100 * {{ expected_amount }} / {{ amount }}) as {{ dbt.type_int() }})
{%- endmacro %}
