with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

int_mature_cohorts as (
    select * from {{ ref('int_mature_cohorts') }}
),

-- One date for creation and close says nothing of how long deals take.
cycles as (
    select max(cycle_days) > 0 as are_known from {{ ref('int_closed_deal_counts') }}
    where segment_dimension = 'all'
),

final as (
    select
        int_closed_deal_counts.segment_dimension,
        int_closed_deal_counts.segment_value,
        int_closed_deal_counts.is_won,
        int_closed_deal_counts.cycle_days,
        int_mature_cohorts.is_mature and int_closed_deal_counts.cycle_days is not null and cycles.are_known as is_included,
        cast(sum(int_closed_deal_counts.deal_count) as bigint) as deal_count
    from int_closed_deal_counts
    cross join cycles
    inner join int_mature_cohorts
        on int_closed_deal_counts.cohort_month = int_mature_cohorts.cohort_month
    group by 1, 2, 3, 4, 5
)

select * from final
