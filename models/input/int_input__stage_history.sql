{{ config(materialized = "view") }}
{% if keeps_history("stage_history") -%}
select deal_id, new_value as stage, changed_at as entered_at from {{ ref("int_kept_changes") }} where field = 'stage' and input_name = {{ input_name_text() }}
{%- elif reads_recorded_stages() -%}
select deal_id, stage, entered_at from {{ ref("int_recorded_stages") }}
{%- else -%}
select * from {{ ref("stg_files__stage_history") if reads_files() else ref("demo_stage_history") }}
{%- endif %}
