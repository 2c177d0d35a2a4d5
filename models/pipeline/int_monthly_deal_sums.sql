with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
    where segment_dimension = 'all'
),

-- The same deals twice: by the month in which they closed and by the month in which they were created.
monthly as (
    select
        *,
        'closed_date' as basis,
        closed_month as period_start_date
    from int_closed_deal_counts
    where closed_month is not null

    union all

    select
        *,
        'created_cohort' as basis,
        cohort_month as period_start_date
    from int_closed_deal_counts
),

-- Deals of a row have the same outcome and cycle, so sums over deals come out of the counts.
final as (
    select
        basis,
        period_start_date,
        cast(sum(deal_count) as bigint) as closed_deal_count,
        cast(sum(case when is_won then deal_count else 0 end) as bigint) as won_deal_count,
        cast(sum(valued_deal_count) as bigint) as valued_deal_count,
        cast(sum(case when is_won then valued_deal_count else 0 end) as bigint) as valued_won_deal_count,
        cast(sum(case when is_won and cycle_days is not null then deal_count else 0 end) as bigint) as dated_won_deal_count,
        cast(sum(case when is_won and cycle_days is not null then valued_deal_count else 0 end) as bigint) as valued_dated_won_deal_count,
        cast(sum(case when is_won and cycle_days is not null then deal_amount else 0 end) as double) as dated_won_amount,
        cast(sum(case when is_won then valued_deal_count * cycle_days else 0 end) as double) as valued_won_days,
        cast(sum(deal_amount) as double) as amount,
        cast(sum(squared_amount) as double) as squared_amount,
        cast(sum(case when is_won then deal_amount else 0 end) as double) as won_amount,
        cast(sum(case when is_won then squared_amount else 0 end) as double) as squared_won_amount,
        cast(sum(case when is_won then deal_count * cycle_days else 0 end) as double) as won_days,
        cast(sum(case when is_won then deal_count * cycle_days * cycle_days else 0 end) as double) as squared_won_days,
        cast(sum(case when is_won then deal_amount * cycle_days else 0 end) as double) as won_amount_days
    from monthly
    group by basis, period_start_date
)

select * from final
