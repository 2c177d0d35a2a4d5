-- Weeks and months against the twelve before them, as the chart of the win rate does it: dispersion from the baseline, t for its few
-- periods. A count has size 1 a period and the variance of its mean, a rate the size of its deals and p (1 - p). Files of closed deals lack the newest.
{% set baseline_periods = var('trend_min_baseline_periods') %}
{% set won = 'sum(case when is_won then 1 else 0 end)' %}
{% set metrics = {'created_deals': ('created_date', 'count(*)'), 'closed_deals': ('closed_date', 'count(*)'), 'win_rate': ('closed_date', won)} %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

steps as (
    {% for step in range(100) -%}
    select {{ step }} as step{{ " union all" if not loop.last }}
    {% endfor %}
),

periods as (
    {% for period_type in ['week', 'month'] -%}
    {% set this_period = dbt.date_trunc(period_type, dbt.dateadd('day', 1, 'int_as_of.as_of_date')) -%}
    select
        '{{ period_type }}' as period_type,
        cast({{ dbt.dateadd(period_type, '(-1 - steps.step)', this_period) }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd(period_type, '(-steps.step)', this_period)) }} as date) as period_end_date
    from {{ ref('int_as_of') }} as int_as_of
    cross join steps
    {{ "union all" if not loop.last }}
    {% endfor %}
),

days as (
    {% for metric, (date, amount) in metrics.items() -%}
    select
        '{{ metric }}' as metric,
        {{ date }} as event_date,
        {{ amount }} as amount,
        count(*) as deal_count
    from int_deals
    inner join {{ ref('int_capabilities') }} as capabilities
        on capabilities.has_{{ "open_deals" if metric == "created_deals" else "closed_deals" }}
    where {{ date }} is not null
    group by {{ date }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

metrics as (
    select distinct metric from days
),

-- Of the period in which the data begin only a part is known. One without events counts as 0.
counted as (
    select
        metrics.metric,
        periods.period_type,
        periods.period_start_date,
        periods.period_end_date,
        cast(coalesce(sum(days.amount), 0) as double) as amount,
        cast(case metrics.metric when 'win_rate' then coalesce(sum(days.deal_count), 0) else 1 end as double) as size
    from periods
    cross join metrics
    inner join {{ ref('int_deal_bounds') }} as bounds
        on periods.period_start_date > bounds.first_created_date
    left join days
        on
            metrics.metric = days.metric
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
    window baseline as (partition by metric, period_type order by period_start_date rows between {{ baseline_periods }} preceding and 1 preceding)
),

with_variance as (
    select
        compared.*,
        quantiles.baseline_quantile,
        quantiles.baseline_limit,
        compared.expected_value * case compared.metric when 'win_rate' then 1 - compared.expected_value else 1 end as variance
    from compared
    cross join {{ ref('int_confidence_quantile') }} as quantiles
),

judged as (
    select
        *,
        baseline_period_count = {{ baseline_periods }}
        and case metric when 'win_rate' then least(expected_value, 1 - expected_value) * size else expected_value end >= {{ var('trend_min_expected_deals') }} as is_judged,
        sqrt(variance * (1 / nullif(size, 0) + 1 / baseline_size) * greatest(1, squares / nullif(variance, 0) / (baseline_period_count - 1)))
            as standard_error
    from with_variance
),

final as (
    select
        *,
        period_start_date = max(period_start_date) over (partition by metric, period_type) as is_newest_period,
        case when is_judged then greatest(0, expected_value - baseline_quantile * standard_error) end as expected_lower,
        case when is_judged then expected_value + baseline_quantile * standard_error end as expected_upper,
        case when is_judged then (value - expected_value) / standard_error end as t_value,
        case
            when not coalesce(is_judged, false) then 'insufficient_n'
            when abs(value - expected_value) > baseline_limit * standard_error then 'signal'
            else 'no_signal'
        end as verdict
    from judged
)

select * from final
