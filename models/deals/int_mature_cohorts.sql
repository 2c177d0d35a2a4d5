with

int_deals as (
    select
        cohort_month,
        created_date,
        is_open
    from {{ ref('int_deals') }}
),

int_closing_bounds as (
    select * from {{ ref('int_closing_bounds') }}
),

cohorts as (
    select
        cohort_month,
        max(created_date) as last_created_date,
        count(*) as deal_count,
        count(case when is_open then 1 end) as open_deal_count
    from int_deals
    group by cohort_month
),

final as (
    select
        cohorts.cohort_month,
        cast(cohorts.deal_count as bigint) as deal_count,
        cast(cohorts.open_deal_count as bigint) as open_deal_count,
        coalesce(cohorts.last_created_date <= int_closing_bounds.mature_until_date, false) as is_mature
    from cohorts
    cross join int_closing_bounds
)

select * from final
