-- Counted from what was open on each day, and not from movements, which have to agree with it.
{% set dimensions = ['sales_rep_id', 'expected_close_quarter'] %}

with

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

dates as (
    select distinct closing_date as balance_date
    from {{ ref('int_bridge_periods') }}
),

-- `case` keeps the planner from sorting all deals for a range join with a few dates.
open_deals as (
    select
        int_dated_deals.deal_id,
        int_dated_deals.deal_amount,
        int_dated_deals.sales_rep_id,
        int_dated_deals.expected_close_date,
        dates.balance_date
    from int_dated_deals
    inner join dates
        on case
            when
                int_dated_deals.created_date <= dates.balance_date
                and (int_dated_deals.closed_date is null or int_dated_deals.closed_date > dates.balance_date) then 1
            else 0
        end = 1
),

-- The longest table of changes comes first: after a filter the planner thinks so few rows are left that it would keep them in memory.
known as (
    select
        open_deals.balance_date,
        coalesce(amounts.deal_amount, open_deals.deal_amount) as deal_amount,
        coalesce(owners.sales_rep_id, open_deals.sales_rep_id) as sales_rep_id,
        {{ quarter_start('coalesce(expected.expected_close_date, open_deals.expected_close_date)') }} as expected_quarter
    from open_deals
    left join {{ ref('int_past_field_values') }} as expected
        on
            expected.field = 'expected_close_date'
            and open_deals.deal_id = expected.deal_id
            and open_deals.balance_date >= expected.known_from_date
            and open_deals.balance_date < expected.changed_date
    left join {{ ref('int_past_amounts') }} as amounts
        on
            open_deals.deal_id = amounts.deal_id
            and open_deals.balance_date >= amounts.known_from_date
            and open_deals.balance_date < amounts.changed_date
    left join {{ ref('int_past_field_values') }} as owners
        on
            owners.field = 'sales_rep_id'
            and open_deals.deal_id = owners.deal_id
            and open_deals.balance_date >= owners.known_from_date
            and open_deals.balance_date < owners.changed_date
    left join {{ ref('int_deal_gaps') }} as gaps
        on
            open_deals.deal_id = gaps.deal_id
            and open_deals.balance_date >= gaps.from_date
            and open_deals.balance_date < gaps.until_date
    where gaps.deal_id is null
),

counted as (
    select
        balance_date,
        sales_rep_id,
        {{ date_segment('expected_quarter') }} as expected_close_quarter,
        sum(case when deal_amount > 0 then deal_amount else 0 end) as amount,
        sum(case when deal_amount > 0 then 1 else 0 end) as deal_count,
        sum(case when deal_amount > 0 then 0 else 1 end) as no_amount_deal_count
    from known
    group by balance_date, sales_rep_id, expected_quarter
),

final as (
    select
        balance_date,
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        cast(sum(amount) as decimal(18, 2)) as amount,
        cast(sum(deal_count) as bigint) as deal_count,
        cast(sum(no_amount_deal_count) as bigint) as no_amount_deal_count
    from counted
    group by {{ segment_sets(['balance_date'], dimensions) }} -- noqa: PRS
    having sum(deal_count) > 0
)

select * from final
