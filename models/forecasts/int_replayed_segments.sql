{% set segments = (['all'] + var('rapv_segment_dimensions') + dimensions_of('rapv_offset_dimensions')) | unique | list %}

with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
    where segment_dimension in ('{{ segments | join("', '") }}')
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

-- A close without a date is known from the creation on: on no day would it have counted as open.
monthly as (
    select
        segment_dimension,
        segment_value,
        coalesce(closed_month, cohort_month) as known_month,
        cycle_days,
        sum(deal_count) as deal_count,
        sum(case when cycle_days is null then 0 else deal_count end) as dated_deal_count,
        sum(case when is_won then deal_count else 0 end) as won_deal_count
    from int_closed_deal_counts
    group by segment_dimension, segment_value, known_month, cycle_days
),

-- Months that began by the forecast date had ended by it, or end with the data.
replayed as (
    select
        int_forecast_dates.forecast_date,
        monthly.segment_dimension,
        monthly.segment_value,
        monthly.cycle_days,
        sum(monthly.deal_count) as deal_count,
        sum(monthly.dated_deal_count) as dated_deal_count,
        sum(monthly.won_deal_count) as won_deal_count
    from monthly
    inner join int_forecast_dates
        on monthly.known_month <= int_forecast_dates.forecast_date
    group by
        int_forecast_dates.forecast_date,
        monthly.segment_dimension,
        monthly.segment_value,
        monthly.cycle_days
),

middle_deals as (
    select
        *,
        {{ median_of_counts('cycle_days', 'dated_deal_count', ['forecast_date', 'segment_dimension', 'segment_value']) }} as middle_cycle_days
    from replayed
),

final as (
    select
        forecast_date,
        segment_dimension,
        segment_value,
        cast(sum(deal_count) as bigint) as closed_deal_count,
        cast(sum(won_deal_count) as bigint) as won_deal_count,
        cast(sum(won_deal_count) as double) / sum(deal_count) as win_rate,
        avg(middle_cycle_days) as median_cycle_days
    from middle_deals
    group by forecast_date, segment_dimension, segment_value
)

select * from final
