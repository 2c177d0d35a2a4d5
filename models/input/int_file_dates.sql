-- Of the days after a given as-of date, those not far beyond it make the build a replay; the others are typos, which say nothing.
{% set last_plausible_date = "case when int_as_of.is_given then " ~ dbt.dateadd('day', var('max_date_gap_days', none) or 366, 'int_as_of.as_of_date')
    ~ " else int_as_of.as_of_date end" %}
with

deal_dates as (
    select
        deals.updated_at is not null as is_dated,
        unnest([deals.created_date, deals.closed_date]) as event_date,
        {{ last_plausible_date }} as last_plausible_date
    from {{ ref('int_parsed__deals') }} as deals
    cross join {{ ref('int_as_of') }} as int_as_of
),

deals_file as (
    select
        coalesce(bool_or(is_dated), false) as has_updated_at,
        max(case when event_date <= last_plausible_date then event_date end) as export_date
    from deal_dates
),

changes as (
    select cast({{ to_timestamp('changed_at', 'field_history') }} as date) as changed_date
    from {{ ref('int_input__field_history') }}

    union all

    select cast({{ to_timestamp('valid_from', 'value_intervals') }} as date) as changed_date
    from {{ ref('int_input__value_intervals') }}
),

field_history as (
    select max(changes.changed_date) as newest_change_date
    from changes
    cross join {{ ref('int_as_of') }} as int_as_of
    where changes.changed_date <= {{ last_plausible_date }}
),

final as (
    select
        deals_file.has_updated_at,
        deals_file.export_date,
        greatest(deals_file.export_date, field_history.newest_change_date) as newest_date
    from deals_file
    cross join field_history
)

select * from final
