-- The newest known value of each tracked field of a deal. A value that int_checked__field_history rejects changes nothing, and an
-- emptied one stays what it was. With ties in time, the change that was written last is not known, so the greatest value stands, at any
-- row order.
with

int_input__field_history as (
    select * from {{ ref('int_input__field_history') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

changes as (
    select
        {{ to_text('int_input__field_history.deal_id') }} as deal_id,
        lower({{ to_text('int_input__field_history.field') }}) as field,
        {{ to_text('int_input__field_history.old_value') }} as old_value,
        {{ to_text('int_input__field_history.new_value') }} as new_value,
        {{ to_timestamp('int_input__field_history.changed_at', 'field_history') }} as changed_at,
        int_as_of.as_of_date
    from int_input__field_history
    cross join int_as_of
),

tracked as (
    select
        deal_id,
        field,
        changed_at,
        new_value is not null and not (field = 'amount' and coalesce({{ to_amount('new_value', 'field_history') }} = 0, false)) as is_filled,
        old_value,
        new_value
    from changes
    where
        cast(changed_at as date) <= as_of_date
        and field in ('amount', 'expected_close_date', 'sales_rep_id')
),

known as (
    select
        deal_id,
        field,
        changed_at,
        is_filled,
        case when is_filled then new_value else old_value end as known_value
    from tracked
),

typed as (
    select
        deal_id,
        field,
        changed_at,
        is_filled,
        case when field = 'amount' then {{ to_amount('known_value', 'field_history') }} end as deal_amount,
        case when field = 'expected_close_date' then cast({{ to_timestamp('known_value', 'field_history') }} as date) end as expected_close_date,
        case when field = 'sales_rep_id' then known_value end as sales_rep_id
    from known
),

ranked as (
    select
        *,
        row_number() over (
            partition by deal_id, field
            order by changed_at desc, is_filled desc, deal_amount desc, expected_close_date desc, sales_rep_id desc
        ) as recency
    from typed
    where
        (deal_amount > 0 and deal_amount < {{ var('max_deal_amount') }})
        or expected_close_date is not null
        or sales_rep_id is not null
),

final as (
    select
        deal_id,
        max(deal_amount) as deal_amount,
        max(expected_close_date) as expected_close_date,
        max(sales_rep_id) as sales_rep_id
    from ranked
    where recency = 1
    group by deal_id
)

select * from final
