{{ config(materialized = "view") }}
{% if reads_files() -%}
select * from {{ ref("stg_files__value_intervals") }}
{%- else -%}
select
    cast(null as {{ dbt.type_string() }}) as deal_id,
    cast(null as {{ dbt.type_string() }}) as field,
    cast(null as {{ dbt.type_string() }}) as value,
    cast(null as {{ dbt.type_string() }}) as valid_from,
    cast(null as {{ dbt.type_string() }}) as valid_to
where false
{%- endif %}
