with

int_cohort_day_counts as (
    select * from {{ ref('int_cohort_day_counts') }}
),

final as (
    select
        'closed_date' as basis,
        closed_month as month_start,
        sum(case when outcome = 'Won' then deal_count else 0 end) as won_deal_count,
        sum(case when outcome = 'Lost' then deal_count else 0 end) as lost_deal_count,
        sum(case when outcome = 'Open' then deal_count else 0 end) as open_deal_count
    from int_cohort_day_counts
    where closed_month is not null
    group by closed_month

    union all

    select
        'created_cohort' as basis,
        cohort_month as month_start,
        sum(case when outcome = 'Won' then deal_count else 0 end) as won_deal_count,
        sum(case when outcome = 'Lost' then deal_count else 0 end) as lost_deal_count,
        sum(case when outcome = 'Open' then deal_count else 0 end) as open_deal_count
    from int_cohort_day_counts
    group by cohort_month

    union all

    -- Deals that closed on a day that nobody wrote down count in their cohorts.
    select
        'created_cohort' as basis,
        cohort_month as month_start,
        sum(case when is_won then deal_count else 0 end) as won_deal_count,
        sum(case when is_won then 0 else deal_count end) as lost_deal_count,
        0 as open_deal_count
    from {{ ref('int_closed_deal_counts') }}
    where
        segment_dimension = 'all'
        and closed_month is null
    group by cohort_month
)

select * from final
