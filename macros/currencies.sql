{# The code of the home currency, in capitals. #}
{% macro home_currency() -%}
    upper('{{ (var('home_currency', none) or '') | trim | replace("'", "''") }}')
{%- endmacro %}

{# An amount of a deal in the home currency, given the deal's home_rate: units of the home currency for one of its own, null where none is known.
   Without the var home_currency amounts are what they are. #}
{% macro in_home_currency(amount, home_rate) -%}
    {%- if var('home_currency', none) -%}
    case when {{ amount }} = 0 then 0 else cast(round(cast({{ amount }} as double) * {{ home_rate }}, 2) as decimal(18, 2)) end
    {%- else -%}
    {{ amount }}
    {%- endif -%}
{%- endmacro %}
