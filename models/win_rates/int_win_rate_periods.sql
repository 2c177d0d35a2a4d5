with

int_cohort_day_counts as (
    select * from {{ ref('int_cohort_day_counts') }}
),

int_expected_wins as (
    select * from {{ ref('int_expected_wins') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

months as (
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
),

described as (
    select
        months.*,
        int_deal_bounds.as_of_date,
        int_deal_bounds.first_created_date,
        case when months.basis = 'closed_date' then int_expected_wins.expected_won_count end as expected_won_count,
        case when months.basis = 'created_cohort' then coalesce(int_cohort_maturity.is_mature, false) end as is_mature
    from months
    cross join int_deal_bounds
    left join int_expected_wins
        on months.month_start = int_expected_wins.closed_month
    left join int_cohort_maturity
        on
            months.month_start = int_cohort_maturity.cohort_month
            and int_deal_bounds.as_of_date = int_cohort_maturity.forecast_date
),

period_types as (
    select * from (values ('month', 1), ('quarter', 3)) as period_types (period_type, month_count)
),

started as (
    select
        described.*,
        period_types.period_type,
        period_types.month_count,
        {{ period_start('described.month_start', 'period_types.month_count') }} as period_start_date
    from described
    cross join period_types
),

periods as (
    select
        *,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', 'month_count', 'period_start_date')) }} as date) as period_end_date
    from started
),

-- Of the period in which the data begin, only the quick closes are known.
final as (
    select
        basis,
        period_type,
        period_start_date,
        period_end_date,
        period_start_date <= first_created_date or period_end_date > as_of_date as is_partial_period,
        min(case when is_mature then 1 when not is_mature then 0 end) = 1 as is_mature,
        cast(sum(won_deal_count) as bigint) as won_deal_count,
        cast(sum(lost_deal_count) as bigint) as lost_deal_count,
        cast(sum(open_deal_count) as bigint) as open_deal_count,
        cast(sum(expected_won_count) as double) as expected_won_count
    from periods
    group by basis, period_type, period_start_date, period_end_date, first_created_date, as_of_date
)

select * from final
