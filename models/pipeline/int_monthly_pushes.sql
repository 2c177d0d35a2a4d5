-- Some CRMs record new values only: then the old one is the value before.
with

int_checked__field_history as (
    select
        deal_id,
        changed_at,
        cast({{ to_timestamp('old_value') }} as date) as old_date,
        cast({{ to_timestamp('new_value') }} as date) as new_date
    from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) = 'expected_close_date'
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

changes as (
    select
        deal_id,
        changed_at,
        new_date,
        coalesce(old_date, lag(new_date) over (partition by deal_id order by changed_at, new_date)) as old_date
    from int_checked__field_history
),

-- Edits after the close push nothing.
final as (
    select
        cast({{ dbt.date_trunc('month', 'changes.changed_at') }} as date) as period_start_date,
        count(*) as push_count,
        count(distinct changes.deal_id) as pushed_deal_count
    from changes
    inner join int_deals
        on changes.deal_id = int_deals.deal_id
    where
        changes.new_date > changes.old_date
        and (int_deals.is_open or cast(changes.changed_at as date) <= int_deals.closed_date)
    group by 1
)

select * from final
