{# A number from 0 to 4294967295 that only the text decides: digits `start` to `start + 7` of its md5. #}
{% macro hash_number(column, start=1) -%}
    {{ return(adapter.dispatch("hash_number", "pipeline_intelligence")(column, start)) }}
{%- endmacro %}

{% macro default__hash_number(column, start) -%}
    cast('0x' || substr(md5({{ column }}), {{ start }}, 8) as bigint)
{%- endmacro %}
