-- Each period is compared with the twelve before it (trend_min_baseline_periods), as the chart of the win rate does it. Their spread
-- widens the interval where it exceeds chance, and quantiles are those of t, because twelve are few.
with

-- A file of closed deals lacks the newest created ones, so it has no created_deals.
metrics as (
    select
        metrics.metric,
        metrics.event
    from (
        values ('created_deals', 'created', 'open_deals'), ('closed_deals', 'closed', 'closed_deals'), ('win_rate', 'closed', 'closed_deals')
    ) as metrics (metric, event, capability)
    inner join {{ ref('int_data_levels') }} as levels
        on metrics.capability = levels.capability and levels.is_available
),

-- The newest hundred weeks and months that are complete.
periods as (
    select
        types.period_type,
        cast(starts.start_at as date) as period_start_date,
        cast(starts.start_at + types.length - interval 1 day as date) as period_end_date
    from {{ ref('int_as_of') }} as int_as_of
    cross join (values ('week', interval 1 week), ('month', interval 1 month)) as types (period_type, length)
    cross join unnest(generate_series(
        date_trunc(types.period_type, int_as_of.as_of_date + 1) - 100 * types.length,
        date_trunc(types.period_type, int_as_of.as_of_date + 1) - types.length,
        types.length
    )) as starts (start_at)
),

days as (
    select
        'created' as event,
        created_date as event_date,
        count(*) as deal_count,
        0 as won_deal_count
    from {{ ref('int_deals') }}
    group by created_date

    union all

    select
        'closed' as event,
        closed_date as event_date,
        count(*) as deal_count,
        sum(case when is_won then 1 else 0 end) as won_deal_count
    from {{ ref('int_deals') }}
    where closed_date is not null
    group by closed_date
),

-- Of the period in which the data begin only a part is known. One without deals counts as 0. A count has size 1, a win rate its deals.
counted as (
    select
        metrics.metric,
        periods.period_type,
        periods.period_start_date,
        periods.period_end_date,
        cast(coalesce(sum(case metrics.metric when 'win_rate' then days.won_deal_count else days.deal_count end), 0) as double) as amount,
        cast(case metrics.metric when 'win_rate' then coalesce(sum(days.deal_count), 0) else 1 end as double) as size
    from periods
    cross join metrics
    inner join {{ ref('int_deal_bounds') }} as bounds
        on periods.period_start_date > bounds.first_created_date
    left join days
        on
            metrics.event = days.event
            and days.event_date between periods.period_start_date and periods.period_end_date
    group by metrics.metric, periods.period_type, periods.period_start_date, periods.period_end_date
),

compared as (
    select
        *,
        amount / nullif(size, 0) as value,
        lag(amount / nullif(size, 0)) over (partition by metric, period_type order by period_start_date) as previous_value,
        count(nullif(size, 0)) over baseline as baseline_period_count,
        sum(amount) over baseline / nullif(sum(size) over baseline, 0) as expected_value,
        sum(size) over baseline as baseline_size,
        sum(amount * amount / nullif(size, 0)) over baseline - power(sum(amount) over baseline, 2) / nullif(sum(size) over baseline, 0) as squares
    from counted
    window baseline as (partition by metric, period_type order by period_start_date rows between {{ var('trend_min_baseline_periods') }} preceding and 1 preceding)
),

-- A count varies by its mean, a rate by p (1 - p).
with_variance as (
    select
        *,
        expected_value * case metric when 'win_rate' then 1 - expected_value else 1 end as variance,
        case metric when 'win_rate' then least(expected_value, 1 - expected_value) * size else expected_value end as expected_deal_count
    from compared
),

with_error as (
    select
        *,
        sqrt(variance * (1 / nullif(size, 0) + 1 / baseline_size) * greatest(1, squares / nullif(variance, 0) / (baseline_period_count - 1))) as standard_error,
        baseline_period_count = {{ var('trend_min_baseline_periods') }} and expected_deal_count >= {{ var('trend_min_expected_deals') }} as is_judged
    from with_variance
),

final as (
    select
        with_error.*,
        value / nullif(expected_value, 0) - 1 as change_rate,
        period_start_date = max(period_start_date) over (partition by metric, period_type) as is_newest_period,
        case when is_judged then greatest(0, expected_value - quantiles.baseline_quantile * standard_error) end as expected_lower,
        case when is_judged then expected_value + quantiles.baseline_quantile * standard_error end as expected_upper,
        case when is_judged then (value - expected_value) / standard_error end as t_value,
        case
            when not coalesce(is_judged, false) then 'insufficient_n'
            when abs(value - expected_value) > quantiles.baseline_limit * standard_error then 'signal'
            else 'no_signal'
        end as verdict
    from with_error
    cross join {{ ref('int_confidence_quantile') }} as quantiles
)

select * from final
