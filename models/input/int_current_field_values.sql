-- The newest known value of each tracked field of a deal, and when it was recorded. A value that is rejected changes nothing, and an emptied
-- one stays what it was. With ties in time, the change that was written last is not known, so the greatest value stands, at any row order.
with

int_parsed__field_history as (
    select * from {{ ref('int_parsed__field_history') }}
    where
        reason_codes is null
        and field in ('amount', 'expected_close_date', 'sales_rep_id')
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

tracked as (
    select
        changes.deal_id,
        changes.field,
        changes.changed_at,
        changes.new_value is not null
        and not (changes.field = 'amount' and coalesce({{ to_amount('changes.new_value', values_input()) }} = 0, false)) as is_filled,
        changes.old_value,
        changes.new_value
    from int_parsed__field_history as changes
    cross join int_as_of
    where cast(changes.changed_at as date) <= int_as_of.as_of_date
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
        case when field = 'amount' then {{ to_amount('known_value', values_input()) }} end as deal_amount,
        case when field = 'expected_close_date' then cast({{ to_timestamp('known_value', values_input()) }} as date) end as expected_close_date,
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
        max(sales_rep_id) as sales_rep_id,
        max(case when field = 'amount' then changed_at end) as amount_changed_at,
        max(case when field = 'expected_close_date' then changed_at end) as close_date_changed_at,
        max(case when field = 'sales_rep_id' then changed_at end) as owner_changed_at
    from ranked
    where recency = 1
    group by deal_id
)

select * from final
