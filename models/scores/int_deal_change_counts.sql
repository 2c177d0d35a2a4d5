-- noqa: disable=layout.indent
-- Pushes and changes of the amount so far, from each day on which something changed until the next.
with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) in ('amount', 'expected_close_date')
        and deal_id in (select int_score_deals.deal_id from {{ ref('int_score_deals') }} as int_score_deals)
),

-- Some CRMs record new values only: then the old one is the value before.
changes as (
    select
        deal_id,
        changed_at,
        lower(field) as field,
        new_value,
        coalesce(old_value, lag(new_value) over (partition by deal_id, lower(field) order by changed_at, new_value)) as old_value
    from int_checked__field_history
),

typed as (
    select
        deal_id,
        cast(changed_at as date) as from_date,
        case when field = 'expected_close_date' then cast({{ to_timestamp('old_value') }} as date) end as old_date,
        case when field = 'expected_close_date' then cast({{ to_timestamp('new_value') }} as date) end as new_date,
        case when field = 'amount' then {{ to_amount('old_value') }} end as old_amount,
        case when field = 'amount' then {{ to_amount('new_value') }} end as new_amount
    from changes
),

daily as (
    select
        deal_id,
        from_date,
        sum(case when new_date > old_date then 1 else 0 end) as push_count,
        sum(case when new_amount > old_amount then 1 else 0 end) as amount_increase_count,
        sum(case when new_amount < old_amount then 1 else 0 end) as amount_decrease_count
    from typed
    group by deal_id, from_date
),

final as (
    select
        deal_id,
        from_date,
        coalesce(lead(from_date) over (partition by deal_id order by from_date), cast('9999-12-31' as date)) as until_date,
        cast(sum(push_count) over days_so_far as bigint) as push_count,
        cast(sum(amount_increase_count) over days_so_far as bigint) as amount_increase_count,
        cast(sum(amount_decrease_count) over days_so_far as bigint) as amount_decrease_count
    from daily
    window days_so_far as (partition by deal_id order by from_date)
)

select * from final
