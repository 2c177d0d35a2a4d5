with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where reason_codes is null
),

open_deals as (
    select deal_id
    from {{ ref('int_deals') }}
    where is_open
),

-- Some CRMs record new values only: then the old one is the value before.
changes as (
    select
        history.deal_id,
        history.changed_at,
        lower(history.field) as field,
        history.new_value,
        coalesce(
            history.old_value,
            lag(history.new_value) over (
                partition by history.deal_id, lower(history.field)
                order by history.changed_at, history.new_value
            )
        ) as old_value
    from int_checked__field_history as history
    inner join open_deals
        on history.deal_id = open_deals.deal_id
),

typed as (
    select
        deal_id,
        changed_at,
        case when field = 'expected_close_date' then cast({{ to_timestamp('old_value') }} as date) end as old_date,
        case when field = 'expected_close_date' then cast({{ to_timestamp('new_value') }} as date) end as new_date,
        case when field = 'amount' then {{ to_amount('old_value') }} end as old_amount,
        case when field = 'amount' then {{ to_amount('new_value') }} end as new_amount
    from changes
),

final as (
    select
        deal_id,
        max(changed_at) as last_changed_at,
        sum(case when new_date > old_date then 1 else 0 end) as push_count,
        sum(case when new_date > old_date then {{ dbt.datediff('old_date', 'new_date', 'day') }} else 0 end) as push_days,
        sum(case
            when {{ dbt.date_trunc('quarter', 'new_date') }} > {{ dbt.date_trunc('quarter', 'old_date') }} then 1
            else 0
        end) as quarter_push_count,
        sum(case when new_amount <> old_amount then 1 else 0 end) as amount_change_count
    from typed
    group by deal_id
)

select * from final
