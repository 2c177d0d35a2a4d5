-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}
-- Of each fact where its stretches stand, the capability it needs, and the date it counts from or its one value.
{% set facts = [
    ('days_in_stage', 'visits', 'stage_history', 'stretches.counted_from_date', 'null'),
    ('days_over_stall_limit', 'visits', 'stage_history', 'cast(' ~ dbt.dateadd('day', 'stretches.stall_threshold_days', 'stretches.counted_from_date') ~ ' as date)', 'null'),
    ('push_count', 'int_deal_change_counts', 'field_history', 'null', 'stretches.push_count'),
    ('days_overdue', 'expected_dates', 'field_history', 'stretches.expected_close_date', 'null'),
    ('days_since_last_activity', 'activity_days', 'activities', 'stretches.from_date', 'null'),
    ('days_since_last_update', 'update_days', 'field_history', 'stretches.from_date', 'null'),
] %}

with

deals as (
    select * from {{ ref('int_score_deals') }}
    where is_training
),

int_deal_change_counts as (
    select * from {{ ref('int_deal_change_counts') }}
),

expected_close_changes as (
    select * from {{ ref('int_past_field_values') }}
    where field = 'expected_close_date' and deal_id in (select deals.deal_id from deals)
),

visits as (
    select
        visits.*,
        coalesce(visits.entered_date, deals.created_date) as counted_from_date,
        thresholds.stall_threshold_days
    from {{ ref('int_score_visits') }} as visits
    inner join deals
        on visits.deal_id = deals.deal_id
    left join {{ ref('int_stall_thresholds') }} as thresholds
        on visits.stage = thresholds.stage
),

active_days as (
    select
        deal_id,
        created_date as from_date
    from deals

    union distinct

    select
        deal_id,
        from_date
    from {{ ref('int_active_days') }}
),

activity_days as (
    select
        *,
        coalesce(lead(from_date) over (partition by deal_id order by from_date), cast('9999-12-31' as date)) as until_date
    from active_days
),

changed_days as (
    {% for relation in ['active_days', 'int_deal_change_counts', 'visits'] -%}
    select
        deal_id,
        from_date
    from {{ relation }}
    {{ "union distinct" if not loop.last }}
    {% endfor %}
),

update_days as (
    select
        *,
        coalesce(lead(from_date) over (partition by deal_id order by from_date), cast('9999-12-31' as date)) as until_date
    from changed_days
),

expected_dates as (
    select
        deal_id,
        expected_close_date,
        known_from_date as from_date,
        changed_date as until_date
    from expected_close_changes

    union all

    select
        int_deals.deal_id,
        int_deals.expected_close_date,
        coalesce(max(expected_close_changes.changed_date), int_deals.created_date) as from_date,
        cast('9999-12-31' as date) as until_date
    from {{ ref('int_deals') }} as int_deals
    left join expected_close_changes
        on int_deals.deal_id = expected_close_changes.deal_id
    where int_deals.deal_id in (select deals.deal_id from deals)
    group by int_deals.deal_id, int_deals.expected_close_date, int_deals.created_date
),

final as (
    {% for fact, relation, capability, counted_from_date, value in facts -%}
    select
        stretches.deal_id,
        '{{ fact }}' as trigger_name,
        {{ 'stretches.stage' if relation == 'visits' else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as stage,
        greatest(stretches.from_date, deals.created_date) as from_date,
        least(stretches.until_date, deals.closed_date) as until_date,
        {{ counted_from_date if counted_from_date != 'null' else 'cast(null as date)' }} as counted_from_date,
        cast({{ value }} as bigint) as trigger_value
    from {{ relation }} as stretches
    inner join deals
        on stretches.deal_id = deals.deal_id
    inner join {{ ref('int_capabilities') }} as capabilities
        on capabilities.has_{{ capability }}
    {{ "union all" if not loop.last }}
    {% endfor %}
)

select * from final
