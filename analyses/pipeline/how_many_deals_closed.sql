-- How many deals closed last quarter, and for how much?
-- Which quarter is this day in?
-- Is that quarter over on the as-of date?
-- One row per quarter, the newest first; dim_dates says which quarter a day is in. Compare quarters only where quarter_status is complete: one that isn't over
-- lacks closes, and one in which the data begin can only hold deals that closed fast. won_amount is what was sold, closed_amount what was decided.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
),

dim_dates as (
    select * from {{ ref('dim_dates') }}
),

quarters as (
    select
        quarter_start_date,
        min(date_day) as first_day,
        max(date_day) as last_day,
        min(case when is_past then 1 else 0 end) as is_over
    from dim_dates
    group by quarter_start_date
),

first_creation as (
    select min(created_date) as first_created_date from fct_deals
),

final as (
    select
        quarters.quarter_start_date,
        case
            when quarters.is_over = 0 then 'not over'
            when max(first_creation.first_created_date) >= quarters.first_day then 'data begin in it'
            else 'complete'
        end as quarter_status,
        count(*) as closed_deal_count,
        count(case when fct_deals.is_won then 1 end) as won_deal_count,
        sum(fct_deals.deal_amount) as closed_amount,
        sum(case when fct_deals.is_won then fct_deals.deal_amount else 0 end) as won_amount
    from fct_deals
    cross join first_creation
    inner join quarters
        on fct_deals.closed_date between quarters.first_day and quarters.last_day
    group by quarters.quarter_start_date, quarters.is_over, quarters.first_day
)

select * from final
order by quarter_start_date desc
