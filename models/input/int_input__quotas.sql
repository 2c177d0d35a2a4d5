{{ config(materialized = "view") }}
{% if reads_files() -%}
select * from {{ ref("stg_files__quotas") }}
{%- else -%}
-- The demo CRM has quotas of reps, and says of none when it ends.
select
    *,
    cast(null as {{ dbt.type_string() }}) as team,
    cast(null as {{ dbt.type_string() }}) as period_end
from {{ ref("demo_quotas") }}
{%- endif %}
