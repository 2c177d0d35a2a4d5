{{ config(
    enabled = keeps_history(),
    materialized = 'incremental',
    incremental_strategy = 'append',
    on_schema_change = 'append_new_columns',
    full_refresh = false,
) }}
{% set as_of_date = "cast('" ~ var('as_of_date', none) ~ "' as date)" %}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
    where reason_codes is null
),

-- A file that knows later days than the as-of date replays the past: its stages and amounts are not those of that day.
later_dates as (
    select count(*) as row_count
    from {{ ref('int_parsed__deals') }}
    where
        reason_codes is null
        and greatest(created_date, closed_date, cast(updated_at as date)) > {{ as_of_date }}
        and greatest(created_date, closed_date, cast(updated_at as date)) <= {{ dbt.dateadd('day', var('max_date_gap_days') or 366, as_of_date) }}
),

repeated_deals as (
    select deal_id
    from {{ ref('int_parsed__deals') }}
    group by deal_id
    having count(*) > 1
),

current_values as (
    select
        deal_id,
        closed_date,
        unnest(['stage', 'amount', 'expected_close_date', 'sales_rep_id']) as field,
        unnest([
            deal_stage,
            cast(stated_amount as {{ dbt.type_string() }}),
            cast(expected_close_date as {{ dbt.type_string() }}),
            sales_rep_id
        ]) as new_value
    from int_parsed__deals
),

{% if is_incremental() -%}
kept as (
    select
        deal_id,
        field,
        new_value,
        row_number() over (partition by deal_id, field order by observed_date desc) as recency
    from {{ this }}
    where input_name = {{ input_name_text() }}
),

newest as (
    select coalesce(max(observed_date), cast('0001-01-01' as date)) as observed_date
    from {{ this }}
    where input_name = {{ input_name_text() }}
),
{%- else -%}
kept as (
    select
        deal_id,
        field,
        new_value,
        1 as recency
    from current_values
    where false
),

newest as (
    select cast('0001-01-01' as date) as observed_date
),
{%- endif %}

-- A deal that is closed when it is first seen has no history. One that closed since it was last seen had its last values by then.
final as (
    select
        {{ input_name_text() }} as input_name,
        current_values.deal_id,
        current_values.field,
        kept.new_value as old_value,
        current_values.new_value,
        cast(least({{ as_of_date }}, current_values.closed_date) as timestamp) as changed_at,
        {{ as_of_date }} as observed_date
    from current_values
    cross join newest
    cross join later_dates
    left join repeated_deals
        on current_values.deal_id = repeated_deals.deal_id
    left join kept
        on
            current_values.deal_id = kept.deal_id
            and current_values.field = kept.field
            and kept.recency = 1
    where
        current_values.new_value is not null
        and repeated_deals.deal_id is null
        and later_dates.row_count = 0
        and newest.observed_date < {{ as_of_date }}
        and (
            current_values.new_value <> kept.new_value
            or (kept.new_value is null and current_values.closed_date is null)
        )
)

select * from final
