{% set dimensions = var('segment_dimensions') %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
    where not is_open
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

final as (
    select
        'all' as period,
        {{ segment_dimension(dimensions + ['cycle_band']) }} as segment_dimension,
        {{ segment_value(dimensions + ['cycle_band']) }} as segment_value,
        percentile_cont(0.5) within group (order by cast(deal_amount as double)) as median_deal_amount
    from int_deals
    group by {{ segment_sets([], dimensions + ['cycle_band']) }}

    union all

    select
        int_periods.period,
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        percentile_cont(0.5) within group (order by cast(int_deals.deal_amount as double)) as median_deal_amount
    from int_deals
    inner join int_periods
        on
            int_periods.period <> 'all'
            and int_deals.closed_date >= int_periods.period_start_date
            and int_deals.closed_date <= int_periods.period_end_date
    group by {{ segment_sets(['int_periods.period'], dimensions) }}
)

select * from final
