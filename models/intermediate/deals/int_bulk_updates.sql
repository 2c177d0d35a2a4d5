-- A clock minute in which one rep moved many deals. Changes at midnight sharp have no time of day, and unknown reps are not one.
with

int_stage_history as (
    select * from {{ ref('int_stage_history') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

final as (
    select
        int_deals.sales_rep_id,
        {{ dbt.date_trunc('minute', 'int_stage_history.entered_at') }} as moved_minute,
        count(distinct int_stage_history.deal_id) as deal_count
    from int_stage_history
    inner join int_deals
        on int_stage_history.deal_id = int_deals.deal_id
    where
        int_stage_history.is_stage_change
        and int_stage_history.entered_at > cast(int_stage_history.entered_at as date)
        and int_deals.sales_rep_id <> 'Unknown'
    group by 1, 2
    having count(distinct int_stage_history.deal_id) >= {{ var('bulk_update_deals') }}
)

select * from final
