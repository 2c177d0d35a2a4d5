{% set segments = (['all'] + var('rapv_segment_dimensions') + var('rapv_offset_dimensions')) | unique | list %}

with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
    where segment_dimension in ('{{ segments | join("', '") }}')
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

monthly as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        cycle_days,
        sum(deal_count) as deal_count,
        sum(case when is_won then deal_count else 0 end) as won_deal_count
    from int_closed_deal_counts
    group by segment_dimension, segment_value, closed_month, cycle_days
),

-- Months that began by the forecast date had ended by it, or end with the data.
replayed as (
    select
        int_forecast_dates.forecast_date,
        monthly.segment_dimension,
        monthly.segment_value,
        monthly.cycle_days,
        sum(monthly.deal_count) as deal_count,
        sum(monthly.won_deal_count) as won_deal_count
    from monthly
    inner join int_forecast_dates
        on monthly.closed_month <= int_forecast_dates.forecast_date
    group by
        int_forecast_dates.forecast_date,
        monthly.segment_dimension,
        monthly.segment_value,
        monthly.cycle_days
),

running as (
    select
        *,
        sum(deal_count) over (segments order by cycle_days) as running_count,
        sum(deal_count) over (segments) as closed_deal_count
    from replayed
    window segments as (partition by forecast_date, segment_dimension, segment_value)
),

-- The median is the middle deal's days, or the mean of the middle two.
final as (
    select
        forecast_date,
        segment_dimension,
        segment_value,
        cast(sum(deal_count) as bigint) as closed_deal_count,
        cast(sum(won_deal_count) as bigint) as won_deal_count,
        cast(sum(won_deal_count) as double) / sum(deal_count) as win_rate,
        (
            min(case when running_count * 2 >= closed_deal_count then cycle_days end)
            + min(case when running_count * 2 > closed_deal_count then cycle_days end)
        ) / 2.0 as median_cycle_days
    from running
    group by forecast_date, segment_dimension, segment_value
)

select * from final
