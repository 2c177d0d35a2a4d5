with

int_cohort_day_counts as (
    select * from {{ ref('int_cohort_day_counts') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

months as (
    select cohort_month as period_start_date from int_cohort_day_counts
    union
    select closed_month as period_start_date from int_cohort_day_counts
    where closed_month is not null
    union
    select cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as period_start_date from int_as_of
),

final as (
    select
        months.period_start_date,
        cast(sum(case when counts.closed_month is null or counts.closed_month > months.period_start_date then counts.deal_count else 0 end) as bigint)
            as open_deal_count,
        cast(sum(counts.deal_count) as bigint) as active_deal_count
    from months
    inner join int_cohort_day_counts as counts
        on
            months.period_start_date >= counts.cohort_month
            and months.period_start_date <= coalesce(counts.closed_month, cast('9999-12-31' as date))
    group by months.period_start_date
)

select * from final
