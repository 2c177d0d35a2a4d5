{{ config(materialized = "view") }}
{% if reads_files() -%}
select * from {{ ref("stg_files__deals") }}
{%- else -%}
-- The demo CRM names no currency.
select
    *,
    cast(null as {{ dbt.type_string() }}) as currency_code
from {{ ref("demo_deals") }}
{%- endif %}
