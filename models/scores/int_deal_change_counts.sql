-- noqa: disable=layout.indent
-- Pushes and changes of the amount so far, from each day on which something changed until the next.
with

daily as (
    select
        deal_id,
        cast(changed_at as date) as from_date,
        sum(case when new_close_date > old_close_date then 1 else 0 end) as push_count,
        sum(case when new_amount > old_amount then 1 else 0 end) as amount_increase_count,
        sum(case when new_amount < old_amount then 1 else 0 end) as amount_decrease_count
    from {{ ref('int_field_changes') }}
    where deal_id in (select int_score_deals.deal_id from {{ ref('int_score_deals') }} as int_score_deals)
    group by 1, 2
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
