with

int_segment_day_counts as (
    select * from {{ ref('int_segment_day_counts') }}
),

day_counts as (
    select
        segment_dimension,
        segment_value,
        period,
        cycle_days,
        sum(deal_count) as deal_count
    from int_segment_day_counts
    group by segment_dimension, segment_value, period, cycle_days
),

running as (
    select
        *,
        sum(deal_count) over (partition by segment_dimension, segment_value, period order by cycle_days) as running_count,
        sum(deal_count) over (partition by segment_dimension, segment_value, period) as all_deal_count
    from day_counts
),

-- The middle deal's days, or the mean of the middle two.
final as (
    select
        segment_dimension,
        segment_value,
        period,
        (
            min(case when running_count * 2 >= all_deal_count then cycle_days end)
            + min(case when running_count * 2 > all_deal_count then cycle_days end)
        ) / 2.0 as median_cycle_days
    from running
    group by segment_dimension, segment_value, period
)

select * from final
