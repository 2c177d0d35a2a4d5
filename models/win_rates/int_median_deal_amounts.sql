-- noqa: disable=layout.indent
{% set dimensions = var('segment_dimensions') %}

with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
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
overall as (
    select
        'all' as period,
        {{ segment_dimension(dimensions + ['cycle_band', 'competitor']) }} as segment_dimension,
        coalesce({{ segment_value(dimensions + ['cycle_band', 'competitor']) }}, 'None recorded') as segment_value,
        percentile_cont(0.5) within group (order by cast(deal_amount as double)) as median_deal_amount
    from {{ ref('int_deals') }}
    where not is_open
    group by {{ segment_sets([], dimensions + ['cycle_band', 'competitor']) }}  -- noqa: PRS
),

by_period as (
    select
        period_months.period,
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        percentile_cont(0.5) within group (order by cast(int_deals.deal_amount as double)) as median_deal_amount
    from {{ ref('int_deals') }} as int_deals
    inner join period_months
        on int_deals.closed_month = period_months.closed_month
    group by {{ segment_sets(['period_months.period'], dimensions) }}  -- noqa: PRS
),

final as (
    select * from overall

    union all

    select * from by_period
)

select * from final
