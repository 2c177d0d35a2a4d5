{{ config(materialized = "view") }}
{% if keeps_history("field_history") -%}
select deal_id, field, old_value, new_value, changed_at from {{ ref("int_kept_changes") }} where field <> 'stage' and input_name = {{ input_name_text() }}
{%- else -%}
select * from {{ ref("stg_files__field_history") if reads_files() else ref("demo_field_history") }}
{%- endif %}
