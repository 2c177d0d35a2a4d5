-- noqa: disable=layout.indent
{% set factors = driver_factors() %}

with

int_driver_deals as (
    select * from {{ ref('int_driver_deals') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
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
    from int_driver_deals
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
