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

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

first_creation as (
    select min(created_date) as created_date
    from int_deals
),

closed_months as (
    select
        'closed_date' as basis,
        closed_month as month_start,
        outcome,
        sum(deal_count) as deal_count
    from int_cohort_day_counts
    where closed_month is not null
    group by closed_month, outcome
),

cohort_months as (
    select
        'created_cohort' as basis,
        cohort_month as month_start,
        outcome,
        sum(deal_count) as deal_count
    from int_cohort_day_counts
    group by cohort_month, outcome
),

months as (
    select
        basis,
        month_start,
        sum(case when outcome = 'Won' then deal_count else 0 end) as won_deal_count,
        sum(case when outcome = 'Lost' then deal_count else 0 end) as lost_deal_count,
        sum(case when outcome = 'Open' then deal_count else 0 end) as open_deal_count
    from (
        select * from closed_months
        union all
        select * from cohort_months
    ) as both_bases
    group by basis, month_start
),

described as (
    select
        months.*,
        case when months.basis = 'closed_date' then int_expected_wins.expected_won_count end as expected_won_count,
        case when months.basis = 'created_cohort' then coalesce(int_cohort_maturity.is_mature, false) end as is_mature
    from months
    cross join int_as_of
    left join int_expected_wins
        on months.month_start = int_expected_wins.closed_month
    left join int_cohort_maturity
        on
            months.month_start = int_cohort_maturity.cohort_month
            and int_as_of.as_of_date = int_cohort_maturity.forecast_date
),

{%- for period_type in ['month', 'quarter'] %}

{{ period_type }}s_of_either as (
    select
        basis,
        '{{ period_type }}' as period_type,
        cast({{ dbt.date_trunc(period_type, 'month_start') }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', 3 if period_type == 'quarter' else 1, dbt.date_trunc(period_type, 'month_start'))) }} as date) as period_end_date,
        won_deal_count,
        lost_deal_count,
        open_deal_count,
        expected_won_count,
        is_mature
    from described
),
{%- endfor %}

periods as (
    select * from months_of_either
    union all
    select * from quarters_of_either
),

-- In the period in which the data begin, only quick closes of it are known.
final as (
    select
        periods.basis,
        periods.period_type,
        periods.period_start_date,
        periods.period_end_date,
        periods.period_start_date <= min(first_creation.created_date)
        or periods.period_end_date > min(int_as_of.as_of_date) as is_partial_period,
        min(case when periods.is_mature then 1 when not periods.is_mature then 0 end) = 1 as is_mature,
        cast(sum(periods.won_deal_count) as bigint) as won_deal_count,
        cast(sum(periods.lost_deal_count) as bigint) as lost_deal_count,
        cast(sum(periods.open_deal_count) as bigint) as open_deal_count,
        cast(sum(periods.expected_won_count) as double) as expected_won_count
    from periods
    cross join first_creation
    cross join int_as_of
    group by 1, 2, 3, 4
)

select * from final
