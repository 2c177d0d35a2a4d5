-- noqa: disable=layout.indent
{% set frequent_values = ref('int_frequent_values') if own_dimensions() else none %}
{% set factors = dimensions_of('driver_factors', known=['creation']) %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

mature_cohorts as (
    select int_cohort_maturity.cohort_month
    from int_cohort_maturity
    inner join int_deal_bounds
        on int_cohort_maturity.forecast_date = int_deal_bounds.as_of_date
    {%- if var('maturity_filter') %}
    where int_cohort_maturity.is_mature
    {%- endif %}
),

closed as (
    select
        {% for factor in factors -%}
        {{ frequent_value('int_deals.' ~ factor, factor, frequent_values) }} as {{ factor }},
        {% endfor -%}
        int_deals.closed_month is not null as is_dated,
        coalesce(int_deals.cycle_band, 'Unknown') as cycle_band,
        {{ period_start('int_deals.closed_month', 6) }} as half_year_start_date,
        int_deals.is_won
    from int_deals
    inner join mature_cohorts
        on int_deals.cohort_month = mature_cohorts.cohort_month
    where not int_deals.is_open
),

-- The same deals twice: by half-year for the fit of what is known at creation, by cycle band, where there is a cycle, for the fit that adds it.
cells as (
    select
        grouping(cycle_band) = 0 as is_known_only_after_close,
        is_dated,
        {% for factor in factors -%}
        {{ factor }},
        {% endfor -%}
        cycle_band,
        half_year_start_date,
        count(*) as closed_deal_count,
        sum(case when is_won then 1 else 0 end) as won_deal_count
    from closed
    group by grouping sets (  -- noqa: PRS
        ({{ factors | join(', ') }}, half_year_start_date, is_dated),
        ({{ factors | join(', ') }}, cycle_band, is_dated)
    )
    having grouping(cycle_band) = 1 or is_dated
),

-- Where the data begin within a half-year, they hold only its quick closes.
final as (
    select
        cells.is_known_only_after_close,
        {% for factor in factors -%}
        cells.{{ factor }},
        {% endfor -%}
        cells.cycle_band,
        cells.half_year_start_date,
        coalesce(
            cells.half_year_start_date > int_deal_bounds.first_created_date
            and {{ dbt.dateadd('month', 6, 'cells.half_year_start_date') }} <= {{ dbt.dateadd('day', 1, 'int_deal_bounds.as_of_date') }},
            false
        ) as is_complete_half_year,
        cast(cells.closed_deal_count as bigint) as closed_deal_count,
        cast(cells.won_deal_count as bigint) as won_deal_count
    from cells
    cross join int_deal_bounds
)

select * from final
