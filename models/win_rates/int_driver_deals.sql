-- noqa: disable=layout.indent
{{ config(materialized = "view") }}
{% set frequent_values = ref('int_frequent_values') if own_dimensions() else none %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_mature_cohorts as (
    select * from {{ ref('int_mature_cohorts') }}
    where is_mature
),

final as (
    select
        {% for factor in driver_factors() -%}
        {{ frequent_value('int_deals.' ~ factor, factor, frequent_values) }} as {{ factor }},
        {% endfor -%}
        int_deals.account_id as account_key,
        int_deals.closed_month is not null as is_dated,
        coalesce(int_deals.cycle_band, 'Unknown') as cycle_band,
        {{ period_start('int_deals.closed_month', 6) }} as half_year_start_date,
        int_deals.is_won
    from int_deals
    inner join int_mature_cohorts
        on int_deals.cohort_month = int_mature_cohorts.cohort_month
    where not int_deals.is_open
)

select * from final
