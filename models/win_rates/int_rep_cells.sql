{% set frequent_values = ref('int_frequent_values') if own_dimensions() else none %}
{% set factors = driver_factors() %}

with

int_deals as (
    select
        {% for factor in factors -%}
        {{ frequent_value('deals.' ~ factor, factor, frequent_values) }} as {{ factor }},
        {% endfor -%}
        deals.sales_rep_id,
        deals.cohort_month,
        deals.is_won
    from {{ ref('int_deals') }} as deals
    where not deals.is_open
),

-- Of a young cohort only the quick deals have closed, so each is a period of its own; old ones stand together by half-year.
creation_periods as (
    select
        cohort_month,
        case when is_mature then {{ period_start('cohort_month', 6) }} else cohort_month end as period_start_date,
        is_mature
    from {{ ref('int_mature_cohorts') }}
),

final as (
    select
        int_deals.sales_rep_id,
        {% for factor in factors -%}
        int_deals.{{ factor }},
        {% endfor -%}
        cast(creation_periods.period_start_date as {{ dbt.type_string() }})
        || case when creation_periods.is_mature then ', half-year' else ', month' end as creation_period,
        cast(count(*) as bigint) as closed_deal_count,
        cast(sum(case when int_deals.is_won then 1 else 0 end) as bigint) as won_deal_count
    from int_deals
    inner join creation_periods
        on int_deals.cohort_month = creation_periods.cohort_month
    group by
        int_deals.sales_rep_id,
        {% for factor in factors -%}
        int_deals.{{ factor }},
        {% endfor -%}
        creation_periods.period_start_date,
        creation_periods.is_mature
)

select * from final
