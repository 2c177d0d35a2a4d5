with

int_cycle_day_counts as (
    select * from {{ ref('int_cycle_day_counts') }}
),

running as (
    select
        *,
        sum(deal_count) over (partition by segment_dimension, segment_value, is_won order by cycle_days) as running_count,
        sum(deal_count) over (partition by segment_dimension, segment_value, is_won) as arm_deal_count
    from int_cycle_day_counts
    where is_included
),

-- Won and lost deals of each segment. The median is the middle deal, or the mean of the middle two.
arms as (
    select
        segment_dimension,
        segment_value,
        is_won,
        sum(deal_count) as deal_count,
        sum(deal_count * cycle_days) * 1.0 / sum(deal_count) as mean_cycle_days,
        (
            min(case when running_count * 2 >= arm_deal_count then cycle_days end)
            + min(case when running_count * 2 > arm_deal_count then cycle_days end)
        ) / 2.0 as median_cycle_days
    from running
    group by segment_dimension, segment_value, is_won
),

closed as (
    select
        segment_dimension,
        segment_value,
        deal_count,
        case when is_included then 0 else deal_count end as excluded_deal_count
    from int_cycle_day_counts

    union all

    -- All deals have a row even when none has closed.
    select
        'all' as segment_dimension,
        'all' as segment_value,
        0 as deal_count,
        0 as excluded_deal_count
),

segments as (
    select
        segment_dimension,
        segment_value,
        sum(deal_count) as closed_deal_count,
        sum(excluded_deal_count) as excluded_deal_count
    from closed
    group by segment_dimension, segment_value
),

final as (
    select
        segments.segment_dimension,
        segments.segment_value,
        cast(segments.closed_deal_count as bigint) as closed_deal_count,
        cast(segments.excluded_deal_count as bigint) as excluded_deal_count,
        cast(coalesce(won.deal_count, 0) as bigint) as won_deal_count,
        cast(coalesce(lost.deal_count, 0) as bigint) as lost_deal_count,
        won.median_cycle_days as median_won_cycle_days,
        lost.median_cycle_days as median_lost_cycle_days,
        won.mean_cycle_days as mean_won_cycle_days,
        lost.mean_cycle_days as mean_lost_cycle_days
    from segments
    left join arms as won
        on
            segments.segment_dimension = won.segment_dimension
            and segments.segment_value = won.segment_value
            and won.is_won
    left join arms as lost
        on
            segments.segment_dimension = lost.segment_dimension
            and segments.segment_value = lost.segment_value
            and not lost.is_won
)

select * from final
