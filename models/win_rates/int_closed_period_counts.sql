with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

-- A period is complete when it begins after the first deal was created and ends on the as-of day or before.
bounds as (
    select
        first_created_date,
        {{ dbt.dateadd('day', 1, 'as_of_date') }} as end_date
    from int_deal_bounds
),

months as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        sum(deal_count) as closed_deal_count,
        sum(case when is_won then deal_count else 0 end) as won_deal_count
    from int_closed_deal_counts
    group by
        segment_dimension,
        segment_value,
        closed_month
),

period_types as (
    select * from (values ('month', 1), ('quarter', 3), ('half_year', 6)) as period_types (period_type, month_count)
),

periods as (
    select
        period_types.period_type,
        period_types.month_count,
        {{ period_start('months.closed_month', 'period_types.month_count') }} as period_start_date,
        months.segment_dimension,
        months.segment_value,
        months.closed_deal_count,
        months.won_deal_count
    from months
    cross join period_types
),

final as (
    select
        periods.period_type,
        periods.period_start_date,
        cast({{ dbt.dateadd('month', '(-periods.month_count)', 'periods.period_start_date') }} as date) as previous_period_start_date,
        cast({{ dbt.dateadd('month', 'periods.month_count', 'periods.period_start_date') }} as date) as next_period_start_date,
        periods.segment_dimension,
        periods.segment_value,
        cast(sum(periods.closed_deal_count) as bigint) as closed_deal_count,
        cast(sum(periods.won_deal_count) as bigint) as won_deal_count
    from periods
    inner join bounds
        on
            periods.period_start_date > bounds.first_created_date
            and {{ dbt.dateadd('month', 'periods.month_count', 'periods.period_start_date') }} <= bounds.end_date
    group by
        periods.period_type,
        periods.month_count,
        periods.period_start_date,
        periods.segment_dimension,
        periods.segment_value
)

select * from final
