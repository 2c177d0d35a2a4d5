-- When a deal was expected to close before a later change of that date, as int_amount_changes says what its amount was. An emptied
-- date changes nothing.
with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) = 'expected_close_date'
),

dates as (
    select
        deal_id,
        changed_at,
        cast({{ to_timestamp('old_value') }} as date) as old_date,
        cast({{ to_timestamp('coalesce(new_value, old_value)') }} as date) as known_date,
        case when new_value is null then 0 else 1 end as is_filled
    from int_checked__field_history
),

changes as (
    select
        deal_id,
        cast(changed_at as date) as changed_date,
        cast(lag(changed_at) over deal_dates as date) as previous_changed_date,
        coalesce(lag(known_date) over deal_dates, old_date) as expected_close_date
    from dates
    where known_date is not null
    window deal_dates as (partition by deal_id order by changed_at, is_filled, known_date)
),

final as (
    select
        deal_id,
        expected_close_date,
        coalesce(previous_changed_date, cast('0001-01-01' as date)) as known_from_date,
        changed_date
    from changes
    where
        expected_close_date is not null
        and (
            previous_changed_date is null
            or previous_changed_date < changed_date
        )
)

select * from final
