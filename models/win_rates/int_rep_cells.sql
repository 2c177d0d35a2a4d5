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

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

-- A cohort none of whose closes has a date has no maturity. Of a young cohort only the quick deals have closed, so each is a period of its own; old ones stand together by half-year.
creation_periods as (
    select
        int_cohort_maturity.cohort_month,
        case
            when int_cohort_maturity.is_mature then {{ period_start('int_cohort_maturity.cohort_month', 6) }}
            else int_cohort_maturity.cohort_month
        end as period_start_date,
        int_cohort_maturity.is_mature
    from int_cohort_maturity
    inner join int_as_of
        on int_cohort_maturity.forecast_date = int_as_of.as_of_date
),

final as (
    select
        int_deals.sales_rep_id,
        {% for factor in factors -%}
        int_deals.{{ factor }},
        {% endfor -%}
        cast(coalesce(creation_periods.period_start_date, int_deals.cohort_month) as {{ dbt.type_string() }})
        || case when creation_periods.is_mature then ', half-year' else ', month' end as creation_period,
        cast(count(*) as bigint) as closed_deal_count,
        cast(sum(case when int_deals.is_won then 1 else 0 end) as bigint) as won_deal_count
    from int_deals
    left join creation_periods
        on int_deals.cohort_month = creation_periods.cohort_month
    group by
        int_deals.sales_rep_id,
        {% for factor in factors -%}
        int_deals.{{ factor }},
        {% endfor -%}
        coalesce(creation_periods.period_start_date, int_deals.cohort_month),
        creation_periods.is_mature
)

select * from final
