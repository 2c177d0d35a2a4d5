-- A quota is spread evenly over its months, and within a month over its days: a quarter's share of a year is a fourth.
{% set day_after = dbt.dateadd('day', 1, 'as_of_date') %}

with

quarters as (
    select
        {{ quarter_start(day_after) }} as quarter_start_date,
        {{ quarter_end(day_after) }} as quarter_end_date
    from {{ ref('int_as_of') }}
),

quotas as (
    select
        quotas.*,
        greatest(quotas.period_start_date, quarters.quarter_start_date) as first_date,
        least(quotas.period_end_date, quarters.quarter_end_date) as last_date
    from {{ ref('int_checked__quotas') }} as quotas
    inner join quarters
        on
            quotas.period_start_date <= quarters.quarter_end_date
            and quotas.period_end_date >= quarters.quarter_start_date
    where quotas.reason_codes is null
),

-- In months: a day is 1 / the days of its month.
measured as (
    select
        *,
        {{ dbt.datediff('period_start_date', 'period_end_date', 'month') }} - 1
        + extract(day from period_end_date) * 1.0 / extract(day from {{ dbt.last_day('period_end_date', 'month') }})
        + ({{ dbt.datediff('period_start_date', dbt.last_day('period_start_date', 'month'), 'day') }} + 1) * 1.0
        / extract(day from {{ dbt.last_day('period_start_date', 'month') }}) as month_count
    from quotas
),

days as (
    select
        measured.sales_rep_id,
        coalesce(measured.team, reps.team) as team,
        measured.team is not null as is_of_team,
        measured.period_start_date,
        measured.quota_amount,
        measured.month_count,
        cast(unnest(generate_series(measured.first_date, measured.last_date, interval 1 day)) as date) as date_day
    from measured
    left join {{ ref('int_checked__reps') }} as reps
        on
            measured.sales_rep_id = reps.sales_rep_id
            and reps.reason_codes is null
),

-- A team's quota stands for its reps: on its days theirs are parts of it.
months as (
    select
        days.sales_rep_id,
        days.team,
        days.is_of_team,
        days.period_start_date,
        days.quota_amount,
        days.month_count,
        count(*) * 1.0 / extract(day from {{ dbt.last_day('days.date_day', 'month') }}) as month_share
    from days
    left join days as team_days
        on
            lower(days.team) = lower(team_days.team)
            and days.date_day = team_days.date_day
            and team_days.is_of_team
    where
        days.is_of_team
        or team_days.date_day is null
    group by 1, 2, 3, 4, 5, 6, {{ dbt.last_day('days.date_day', 'month') }}
),

shares as (
    select
        sales_rep_id,
        team,
        is_of_team,
        quota_amount * sum(month_share) / month_count as quarter_amount
    from months
    group by sales_rep_id, team, is_of_team, period_start_date, quota_amount, month_count
),

final as (
    select
        sales_rep_id,
        team,
        cast(sum(quarter_amount) as decimal(38, 6)) as quota_amount
    from shares
    group by sales_rep_id, team, is_of_team
)

select * from final
