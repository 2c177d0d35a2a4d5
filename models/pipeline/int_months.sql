with

int_cohort_day_counts as (
    select * from {{ ref('int_cohort_day_counts') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_closing_bounds as (
    select * from {{ ref('int_closing_bounds') }}
),

int_mature_cohorts as (
    select * from {{ ref('int_mature_cohorts') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

data_months as (
    select cohort_month as period_start_date from int_cohort_day_counts
    union
    select closed_month as period_start_date from int_cohort_day_counts
    where closed_month is not null
    union
    select cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as period_start_date from int_deal_bounds
),

months as (
    select
        data_months.period_start_date,
        cast({{ dbt.last_day('data_months.period_start_date', 'month') }} as date) as period_end_date,
        sum(case when counts.closed_month is null or counts.closed_month > data_months.period_start_date then counts.deal_count else 0 end)
            as open_deal_count,
        sum(counts.deal_count) as active_deal_count
    from data_months
    inner join int_cohort_day_counts as counts
        on
            data_months.period_start_date >= counts.cohort_month
            and data_months.period_start_date <= coalesce(counts.closed_month, cast('9999-12-31' as date))
    group by data_months.period_start_date
),

-- Edits after the close push nothing.
pushes as (
    select
        cast({{ dbt.date_trunc('month', 'changes.changed_at') }} as date) as period_start_date,
        count(distinct changes.deal_id) as pushed_deal_count
    from {{ ref('int_field_changes') }} as changes
    inner join int_deals
        on changes.deal_id = int_deals.deal_id
    where
        changes.new_close_date > changes.old_close_date
        and (int_deals.is_open or cast(changes.changed_at as date) <= int_deals.closed_date)
    group by 1
),

first_push as (
    select min(period_start_date) as period_start_date
    from pushes
),

-- Deals that close while the data are young had short cycles, and once no deals are created any more only long ones are left.
final as (
    select
        months.period_start_date,
        months.period_end_date,
        bounds.as_of_date,
        cast(months.open_deal_count as bigint) as open_deal_count,
        cast(months.active_deal_count as bigint) as active_deal_count,
        case when months.period_start_date >= first_push.period_start_date then coalesce(pushes.pushed_deal_count, 0) end as pushed_deal_count,
        months.period_start_date <= bounds.first_created_date or months.period_end_date > bounds.as_of_date as is_partial_period,
        int_closing_bounds.complete_from_date is null
        or months.period_start_date < int_closing_bounds.complete_from_date
        or months.period_start_date > bounds.last_created_date
        or months.period_end_date > bounds.as_of_date as is_truncated,
        coalesce(cohorts.is_mature, false) as is_mature_cohort
    from months
    cross join int_deal_bounds as bounds
    cross join int_closing_bounds
    cross join first_push
    left join pushes
        on months.period_start_date = pushes.period_start_date
    left join int_mature_cohorts as cohorts
        on months.period_start_date = cohorts.cohort_month
)

select * from final
