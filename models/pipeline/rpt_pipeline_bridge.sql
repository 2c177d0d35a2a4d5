with

int_bridge_periods as (
    select * from {{ ref('int_bridge_periods') }}
),

int_pipeline_balances as (
    select * from {{ ref('int_pipeline_balances') }}
),

segmented as (
    select
        movement_date,
        movement,
        abs(movement_amount) as amount,
        unnest(['all', 'sales_rep_id', 'expected_close_quarter']) as segment_dimension,
        unnest(['all', sales_rep_id, {{ date_segment(quarter_start('expected_close_date')) }}]) as segment_value,
        unnest(['all', other_sales_rep_id, {{ date_segment(quarter_start('other_expected_close_date')) }}]) as other_segment_value
    from {{ ref('fct_pipeline_movements') }}
),

-- A deal that moves from a segment to the same one doesn't move.
daily as (
    select
        segment_dimension,
        segment_value,
        movement_date,
        movement,
        sum(amount) as amount,
        count(*) as deal_count
    from segmented
    where
        movement not in ('moved_in', 'moved_out')
        or segment_value <> other_segment_value
    group by segment_dimension, segment_value, movement_date, movement
),

balance_dates as (
    select
        period_type,
        period_start_date,
        unnest(['opening', 'closing']) as item,
        unnest([opening_date, closing_date]) as balance_date
    from int_bridge_periods
),

items as (
    select
        balance_dates.period_type,
        balance_dates.period_start_date,
        balances.segment_dimension,
        balances.segment_value,
        balance_dates.item,
        balances.amount,
        balances.deal_count,
        balances.no_amount_deal_count
    from balance_dates
    inner join int_pipeline_balances as balances
        on balance_dates.balance_date = balances.balance_date

    union all

    select
        unnest(['week', 'month', 'quarter']) as period_type,
        unnest([
            cast({{ dbt.date_trunc('week', 'movement_date') }} as date),
            cast({{ dbt.date_trunc('month', 'movement_date') }} as date),
            {{ quarter_start('movement_date') }}
        ]) as period_start_date,
        segment_dimension,
        segment_value,
        movement as item,
        amount,
        deal_count,
        0 as no_amount_deal_count
    from daily
),

final as (
    select
        periods.period_type,
        periods.period_start_date,
        periods.period_end_date,
        periods.is_partial_period,
        items.segment_dimension,
        items.segment_value,
        cast(sum(case when items.item = 'opening' then items.amount else 0 end) as decimal(18, 2)) as opening_amount,
        cast(sum(case when items.item = 'new' then items.amount else 0 end) as decimal(18, 2)) as new_amount,
        cast(sum(case when items.item = 'reopened' then items.amount else 0 end) as decimal(18, 2)) as reopened_amount,
        cast(sum(case when items.item = 'moved_in' then items.amount else 0 end) as decimal(18, 2)) as moved_in_amount,
        cast(sum(case when items.item = 'increased' then items.amount else 0 end) as decimal(18, 2)) as increased_amount,
        cast(sum(case when items.item = 'decreased' then items.amount else 0 end) as decimal(18, 2)) as decreased_amount,
        cast(sum(case when items.item = 'moved_out' then items.amount else 0 end) as decimal(18, 2)) as moved_out_amount,
        cast(sum(case when items.item = 'won' then items.amount else 0 end) as decimal(18, 2)) as won_amount,
        cast(sum(case when items.item = 'lost' then items.amount else 0 end) as decimal(18, 2)) as lost_amount,
        cast(sum(case when items.item = 'removed' then items.amount else 0 end) as decimal(18, 2)) as removed_amount,
        cast(sum(case when items.item = 'closing' then items.amount else 0 end) as decimal(18, 2)) as closing_amount,
        cast(sum(case
            when items.item in ('decreased', 'moved_out', 'won', 'lost', 'removed', 'closing') then -items.amount
            else items.amount
        end) as decimal(18, 2)) as residual_amount,
        cast(sum(case when items.item = 'opening' then items.deal_count else 0 end) as bigint) as opening_deal_count,
        cast(sum(case when items.item = 'new' then items.deal_count else 0 end) as bigint) as new_deal_count,
        cast(sum(case when items.item = 'reopened' then items.deal_count else 0 end) as bigint) as reopened_deal_count,
        cast(sum(case when items.item = 'moved_in' then items.deal_count else 0 end) as bigint) as moved_in_deal_count,
        cast(sum(case when items.item = 'increased' then items.deal_count else 0 end) as bigint) as increased_deal_count,
        cast(sum(case when items.item = 'decreased' then items.deal_count else 0 end) as bigint) as decreased_deal_count,
        cast(sum(case when items.item = 'moved_out' then items.deal_count else 0 end) as bigint) as moved_out_deal_count,
        cast(sum(case when items.item = 'won' then items.deal_count else 0 end) as bigint) as won_deal_count,
        cast(sum(case when items.item = 'lost' then items.deal_count else 0 end) as bigint) as lost_deal_count,
        cast(sum(case when items.item = 'removed' then items.deal_count else 0 end) as bigint) as removed_deal_count,
        cast(sum(case when items.item = 'closing' then items.deal_count else 0 end) as bigint) as closing_deal_count,
        cast(sum(case when items.item = 'closing' then items.no_amount_deal_count else 0 end) as bigint) as no_amount_deal_count
    from items
    inner join int_bridge_periods as periods
        on
            items.period_type = periods.period_type
            and items.period_start_date = periods.period_start_date
    group by 1, 2, 3, 4, 5, 6
)

select * from final
