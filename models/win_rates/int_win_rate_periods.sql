{% set frequent_values = ref('int_frequent_values') if own_dimensions() else none %}
{% set factors = driver_factors() %}

with

ml_win_rate_drivers as (
    select * from {{ ref('ml_win_rate_drivers') }}
    where half_year_start_date is null and not is_known_only_after_close
),

months as (
    select * from {{ ref('int_win_rate_months') }}
),

-- A level without a coefficient of its own stands with the rare ones; where none are rare it is new, and taken as the reference.
fit as (
    select
        {% for factor in factors -%}
        coalesce(max(case when factor = '{{ factor }}' and level = '(rare)' then coefficient end), 0) as other_{{ factor }},
        {% endfor -%}
        max(fit_intercept) as fit_intercept
    from ml_win_rate_drivers
),

closed_deals as (
    select
        {% for factor in factors -%}
        {{ frequent_value('deals.' ~ factor, factor, frequent_values) }} as {{ factor }},
        {% endfor -%}
        deals.closed_month
    from {{ ref('int_deals') }} as deals
    where not deals.is_open and deals.closed_month is not null
),

cells as (
    select
        closed_month,
        {% for factor in factors -%}
        {{ factor }},
        {% endfor -%}
        count(*) as closed_deal_count
    from closed_deals
    group by all
),

scored as (
    select
        cells.closed_month,
        cells.closed_deal_count,
        fit.fit_intercept
        {%- for factor in factors %}
        + coalesce({{ factor }}_levels.coefficient, fit.other_{{ factor }})
        {%- endfor %} as log_odds
    from cells
    cross join fit
    {%- for factor in factors %}
    left join ml_win_rate_drivers as {{ factor }}_levels
        on {{ factor }}_levels.factor = '{{ factor }}' and cells.{{ factor }} = {{ factor }}_levels.level
    {%- endfor %}
),

-- Decimals, because a sum of doubles follows the order of its rows.
expected as (
    select
        closed_month,
        cast(sum(cast(closed_deal_count / (1 + exp(-log_odds)) as decimal(28, 10))) as decimal(38, 10)) as won_count
    from scored
    group by closed_month
),

described as (
    select
        months.*,
        bounds.as_of_date,
        bounds.first_created_date,
        closing.complete_from_date,
        closing.complete_until_date,
        case when months.basis = 'closed_date' then expected.won_count end as expected_won_count,
        case when months.basis = 'created_cohort' then cohorts.is_mature end as is_mature
    from months
    cross join {{ ref('int_deal_bounds') }} as bounds
    cross join {{ ref('int_closing_bounds') }} as closing
    left join expected
        on months.month_start = expected.closed_month
    left join {{ ref('int_mature_cohorts') }} as cohorts
        on months.month_start = cohorts.cohort_month
),

period_types (period_type, month_count) as (
    values ('month', 1), ('quarter', 3)
),

started as (
    select
        described.*,
        period_types.period_type,
        period_types.month_count,
        {{ period_start('described.month_start', 'period_types.month_count') }} as period_start_date
    from described
    cross join period_types
),

periods as (
    select
        *,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', 'month_count', 'period_start_date')) }} as date) as period_end_date
    from started
),

-- By closed date, a period that begins before 99 of 100 deals have had the time to close holds the quick closes only.
final as (
    select
        basis,
        period_type,
        period_start_date,
        period_end_date,
        case basis
            when 'closed_date' then coalesce(period_start_date < complete_from_date or period_end_date > complete_until_date, true)
            else period_start_date <= first_created_date or period_end_date > as_of_date
        end as is_partial_period,
        coalesce(
            basis = 'closed_date' and period_start_date > first_created_date and period_start_date < complete_from_date and period_end_date <= complete_until_date,
            false
        ) as is_young,
        min(case when is_mature then 1 when not is_mature then 0 end) = 1 as is_mature,
        cast(sum(won_deal_count) as bigint) as won_deal_count,
        cast(sum(lost_deal_count) as bigint) as lost_deal_count,
        cast(sum(open_deal_count) as bigint) as open_deal_count,
        cast(sum(expected_won_count) as double) as expected_won_count
    from periods
    group by basis, period_type, period_start_date, period_end_date, first_created_date, as_of_date, complete_from_date, complete_until_date
)

select * from final
