with

-- A deal's last row in its clock minute stands for the deal, however often it moved. At midnight sharp there is no time of day.
int_stage_history as (
    select * from {{ ref('int_stage_history') }}
    where
        is_last_in_minute
        and entered_at > cast(entered_at as date)
),

int_deals as (
    select * from {{ ref('int_deals') }}
    where sales_rep_id <> 'Unknown'
),

final as (
    select
        int_deals.sales_rep_id,
        {{ dbt.date_trunc('minute', 'int_stage_history.entered_at') }} as moved_minute,
        count(*) as deal_count
    from int_stage_history
    inner join int_deals
        on int_stage_history.deal_id = int_deals.deal_id
    group by 1, 2
    having count(*) >= {{ var('bulk_update_deals') }}
)

select * from final
