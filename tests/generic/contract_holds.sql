{# Fails on every column that the contract calls not_null and that has a null: DuckDB enforces it in tables, a view needs this test. #}
{% test contract_holds(model) %}
{% set alias = (model | string).split('.')[-1] | replace('"', '') %}
{% set columns = [] %}
{% if execute %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.alias == alias %}
        {% for column in node.columns.values() if column.constraints | selectattr('type', 'equalto', 'not_null') | list %}
            {% do columns.append(column.name) %}
        {% endfor %}
    {% endfor %}
    {% if not columns %}{{ exceptions.raise_compiler_error("no column of " ~ alias ~ " is not_null by its contract") }}{% endif %}
{% endif %}
with

null_counts as (
    select
        {% for column in columns -%}
            count(*) - count({{ column }}) as {{ column }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ model }}
)

select *
from null_counts
where {% for column in columns %}{{ column }} > 0{{ " or " if not loop.last }}{% endfor %}
{% endtest %}
