-- What was recorded before a change counts as the value on the days before it; only where nothing was, the old value of the change. An
-- emptied field keeps its value. Amounts have rules of their own: see int_past_amounts.
with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and field in ('sales_rep_id', 'expected_close_date')
),

recorded as (
    select
        deal_id,
        field,
        changed_at,
        case when new_value is null then 0 else 1 end as is_filled,
        old_value,
        coalesce(new_value, old_value) as known_value
    from int_checked__field_history
),

-- A newer value of the deals file is a change of the day from which the file is known to be right.
typed as (
    select
        deal_id,
        field,
        changed_at,
        is_filled,
        case when field = 'sales_rep_id' then old_value end as old_rep_id,
        case when field = 'sales_rep_id' then known_value end as known_rep_id,
        case when field = 'expected_close_date' then cast({{ to_timestamp('old_value', values_input()) }} as date) end as old_date,
        case when field = 'expected_close_date' then cast({{ to_timestamp('known_value', values_input()) }} as date) end as known_date
    from recorded

    union all

    select
        deal_id,
        'sales_rep_id' as field,
        recorded_at as changed_at,
        1 as is_filled,
        null as old_rep_id,
        sales_rep_id as known_rep_id,
        null as old_date,
        null as known_date
    from {{ ref('int_deals') }}
    where owner_newer_in = 'file'

    union all

    select
        deal_id,
        'expected_close_date' as field,
        recorded_at as changed_at,
        1 as is_filled,
        null as old_rep_id,
        null as known_rep_id,
        null as old_date,
        expected_close_date as known_date
    from {{ ref('int_deals') }}
    where close_date_newer_in = 'file'
),

changes as (
    select
        deal_id,
        field,
        cast(changed_at as date) as changed_date,
        cast(lag(changed_at) over field_changes as date) as previous_changed_date,
        coalesce(lag(known_rep_id) over field_changes, old_rep_id) as sales_rep_id,
        coalesce(lag(known_date) over field_changes, old_date) as expected_close_date
    from typed
    where
        known_rep_id is not null
        or known_date is not null
    window field_changes as (partition by deal_id, field order by changed_at, is_filled, known_rep_id, known_date)
),

final as (
    select
        deal_id,
        field,
        sales_rep_id,
        expected_close_date,
        coalesce(previous_changed_date, cast('0001-01-01' as date)) as known_from_date,
        changed_date
    from changes
    where
        (
            sales_rep_id is not null
            or expected_close_date is not null
        )
        and (
            previous_changed_date is null
            or previous_changed_date < changed_date
        )
)

select * from final
