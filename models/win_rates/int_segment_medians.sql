{% set dimensions = dimensions_of('segment_dimensions') %}
{% set facts = ['cycle_band', 'competitor'] + own_dimensions(['close']) | map(attribute='dimension') | list %}

with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

int_segment_day_counts as (
    select * from {{ ref('int_segment_day_counts') }}
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

period_months as (
    select distinct
        int_periods.period,
        int_closed_deal_counts.closed_month
    from int_closed_deal_counts
    inner join int_periods
        on
            int_periods.period <> 'all'
            and int_closed_deal_counts.closed_month >= int_periods.period_start_date
            and int_closed_deal_counts.closed_month <= int_periods.period_end_date
),

-- Deals are read in two places: a shared CTE would be copied before it is read twice.
closed_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deals') }}
    where not is_open
),

period_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deals') }}
),

overall as (
    select
        'all' as period,
        {{ segment_dimension(dimensions + facts) }} as segment_dimension,
        coalesce({{ segment_value(dimensions + facts) }}, 'None recorded') as segment_value,
        percentile_cont(0.5) within group (order by cast(deal_amount as double)) as median_deal_amount
    from closed_deals
    group by {{ segment_sets([], dimensions + facts) }}  -- noqa: PRS
),

by_period as (
    select
        period_months.period,
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        percentile_cont(0.5) within group (order by cast(period_deals.deal_amount as double)) as median_deal_amount
    from period_deals
    inner join period_months
        on period_deals.closed_month = period_months.closed_month
    group by {{ segment_sets(['period_months.period'], dimensions) }}  -- noqa: PRS
),

amounts as (
    select * from overall

    union all

    select * from by_period
),

day_counts as (
    select
        segment_dimension,
        segment_value,
        period,
        cycle_days,
        sum(case when cycle_days is null then 0 else deal_count end) as deal_count
    from int_segment_day_counts
    group by segment_dimension, segment_value, period, cycle_days
),

middle_deals as (
    select
        *,
        {{ median_of_counts('cycle_days', 'deal_count', ['segment_dimension', 'segment_value', 'period']) }} as middle_cycle_days
    from day_counts
),

cycles as (
    select
        segment_dimension,
        segment_value,
        period,
        avg(middle_cycle_days) as median_cycle_days
    from middle_deals
    group by segment_dimension, segment_value, period
),

final as (
    select
        cycles.segment_dimension,
        cycles.segment_value,
        cycles.period,
        amounts.median_deal_amount,
        cycles.median_cycle_days
    from cycles
    left join amounts
        on
            cycles.segment_dimension = amounts.segment_dimension
            and cycles.segment_value = amounts.segment_value
            and cycles.period = amounts.period
)

select * from final
