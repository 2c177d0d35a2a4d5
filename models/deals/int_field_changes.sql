-- What a change itself says it replaced. Some CRMs record new values only: then the old one is the value before. What was known on the day
-- is another question: see int_past_field_values and int_past_amounts.
with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) in ('amount', 'expected_close_date')
),

changes as (
    select
        deal_id,
        lower(field) as field,
        changed_at,
        new_value,
        coalesce(
            old_value,
            lag(new_value) over (partition by deal_id, lower(field) order by changed_at, new_value)
        ) as old_value
    from int_checked__field_history
),

final as (
    select
        deal_id,
        field,
        changed_at,
        case when field = 'expected_close_date' then cast({{ to_timestamp('old_value', values_input()) }} as date) end as old_close_date,
        case when field = 'expected_close_date' then cast({{ to_timestamp('new_value', values_input()) }} as date) end as new_close_date,
        case when field = 'amount' then {{ to_amount('old_value', values_input()) }} end as old_amount,
        case when field = 'amount' then {{ to_amount('new_value', values_input()) }} end as new_amount
    from changes
)

select * from final
