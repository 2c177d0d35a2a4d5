with

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

final as (
    select
        cohort_month,
        closed_month,
        outcome,
        age_days,
        cast(count(*) as bigint) as deal_count
    from int_dated_deals
    group by cohort_month, closed_month, outcome, age_days
)

select * from final
