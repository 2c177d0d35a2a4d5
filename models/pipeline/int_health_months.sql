with

int_monthly_open_deals as (
    select * from {{ ref('int_monthly_open_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

creations as (
    select
        min(created_date) as first_created_date,
        max(created_date) as last_created_date
    from {{ ref('int_deals') }}
),

months as (
    select
        period_start_date,
        cast({{ dbt.last_day('period_start_date', 'month') }} as date) as period_end_date
    from int_monthly_open_deals
),

-- Deals that close while the data are young had short cycles, and once no deals are created any more only long ones are left.
final as (
    select
        months.period_start_date,
        months.period_end_date,
        int_as_of.as_of_date,
        months.period_start_date <= creations.first_created_date or months.period_end_date > int_as_of.as_of_date as is_partial_period,
        maturity.maturity_days is null
        or months.period_start_date < {{ dbt.dateadd('day', 'maturity.maturity_days', 'creations.first_created_date') }}
        or months.period_start_date > creations.last_created_date
        or months.period_end_date > int_as_of.as_of_date as is_truncated,
        coalesce(cohorts.is_mature, false) as is_mature_cohort
    from months
    cross join int_as_of
    cross join creations
    left join (
        select
            forecast_date,
            max(maturity_days) as maturity_days
        from int_cohort_maturity
        group by forecast_date
    ) as maturity
        on int_as_of.as_of_date = maturity.forecast_date
    left join int_cohort_maturity as cohorts
        on
            months.period_start_date = cohorts.cohort_month
            and int_as_of.as_of_date = cohorts.forecast_date
)

select * from final
