{{ config(materialized = "table" if reads_recorded_stages() else "view") }}
{% set as_of_date = var('as_of_date', none) %}
-- Where a CRM records changes alone, no row says in which stage a deal began: its first change does. It is known from that change on.
with

stage_changes as (
    select
        deal_id,
        changed_at,
        old_value,
        new_value
    from {{ ref('int_parsed__field_history') }}
    where
        field = 'stage'
        and reason_codes is null
),

numbered as (
    select
        *,
        row_number() over (partition by deal_id order by changed_at, new_value) as change_number
    from stage_changes
),

created as (
    select
        deal_id,
        min(created_at) as created_at
    from {{ ref('int_parsed__deals') }}
    group by deal_id
),

final as (
    select
        deal_id,
        new_value as stage,
        changed_at as entered_at
    from numbered
    where new_value is not null

    union all

    select
        numbered.deal_id,
        numbered.old_value as stage,
        created.created_at as entered_at
    from numbered
    inner join created
        on numbered.deal_id = created.deal_id
    where
        numbered.change_number = 1
        and numbered.old_value is not null
        and created.created_at <= numbered.changed_at
        and cast(numbered.changed_at as date) <= cast('{{ as_of_date or "9999-12-31" }}' as date)
)

select * from final
