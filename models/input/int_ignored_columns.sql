-- Columns of the input files that no canonical column reads.
{% if reads_files() -%}
select distinct
    input,
    lower(column_name) as column_name
from {{ ref('stg_files__columns') }}
where not is_read
{%- else -%}
select
    cast(null as {{ dbt.type_string() }}) as input,
    cast(null as {{ dbt.type_string() }}) as column_name
where false
{%- endif %}
