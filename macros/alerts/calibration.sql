{# Is a coefficient of the calibration off the value it should have? Slope and intercept are two tests, at the limit of the charts each,
   so that both together are seldom wrong. The interval is `normal_quantile` standard errors wide to each side. #}
{% macro is_off(coefficient, right_value, lower, upper, normal_quantile) -%}
    abs({{ coefficient }} - {{ right_value }}) > {{ var('trend_limit') }} * ({{ upper }} - {{ lower }}) / (2 * {{ normal_quantile }})
{%- endmacro %}

{# '; calibration slope 0.92 (95 % interval 0.81 to 1.03), 1 is right' #}
{% macro coefficient_text(name, coefficient, right_value, lower, upper) -%}
    '; calibration {{ name }} ' || {{ two_decimals(coefficient) }} || ' ({{ "%g" | format(100 * var("confidence_level")) }} % interval '
    || {{ two_decimals(lower) }} || ' to ' || {{ two_decimals(upper) }} || '), {{ right_value }} is right'
{%- endmacro %}

{% macro two_decimals(number) -%}
    cast(cast({{ number }} as decimal(18, 2)) as {{ dbt.type_string() }})
{%- endmacro %}
