{# The forecast methods that stand side by side, in this order; int_deal_forecasts has a column `<method>_amount` of each. #}
{% macro value_methods() %}
    {{ return(["raw", "stage_weighted", "flat", "segment", "rapv", "model", "published_aging"]) }}
{% endmacro %}
