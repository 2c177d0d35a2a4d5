{{ config(enabled = reads_files(), materialized = "table") }}
{% for input in input_contract() if var(input ~ "_file", none) -%}
{% if not loop.first %}
union all

{% endif -%}
select
    '{{ input }}' as input,
    column_name
from (describe select * from {{ file_scan(var(input ~ "_file")) }})
{% endfor %}
