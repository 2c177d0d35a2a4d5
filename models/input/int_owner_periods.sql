-- An emptied owner stays what it was. With ties in time the greatest one stands, as in int_current_field_values.
with

int_parsed__field_history as (
    select * from {{ ref('int_parsed__field_history') }}
    where
        reason_codes is null
        and field = 'sales_rep_id'
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

changes as (
    select
        history.deal_id,
        history.changed_at,
        history.old_value,
        case when history.new_value is null then 0 else 1 end as is_filled,
        coalesce(history.new_value, history.old_value) as sales_rep_id
    from int_parsed__field_history as history
    cross join int_as_of
    where
        cast(history.changed_at as date) <= int_as_of.as_of_date
        and coalesce(history.new_value, history.old_value) is not null
),

numbered as (
    select
        *,
        row_number() over owner_changes as change_number,
        lead(changed_at) over owner_changes as until_at
    from changes
    window owner_changes as (partition by deal_id order by changed_at, is_filled, sales_rep_id, old_value)
),

final as (
    select
        deal_id,
        sales_rep_id,
        changed_at as from_at,
        coalesce(until_at, cast('9999-12-31' as timestamp)) as until_at
    from numbered
    where until_at is null or until_at > changed_at

    union all

    select
        deal_id,
        old_value as sales_rep_id,
        cast('0001-01-01' as timestamp) as from_at,
        changed_at as until_at
    from numbered
    where
        change_number = 1
        and old_value is not null
)

select * from final
