{{ config(materialized = "view") }}
{% if reads_files() -%}
select * from {{ ref("stg_files__deals") }}
{%- else -%}
-- What the demo CRM doesn't have.
select
    *,
    cast(null as {{ dbt.type_string() }}) as pipeline,
    cast(null as {{ dbt.type_string() }}) as deal_type,
    cast(null as {{ dbt.type_string() }}) as currency_code,
    cast(null as {{ dbt.type_string() }}) as home_amount,
    cast(null as {{ dbt.type_string() }}) as next_step,
    cast(null as {{ dbt.type_string() }}) as is_deleted
from {{ ref("demo_deals") }}
{%- endif %}
