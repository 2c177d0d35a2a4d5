-- A cohort trains from the first forecast date on which it is mature.
with

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

final as (
    select
        cohort_month,
        min(forecast_date) as mature_from_date
    from int_cohort_maturity
    where
        is_mature
        and forecast_date in (select int_forecast_dates.forecast_date from {{ ref('int_forecast_dates') }} as int_forecast_dates)
    group by cohort_month
)

select * from final
