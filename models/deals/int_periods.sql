with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

first_dates as (
    select
        min(created_date) as created_date,
        min(closed_date) as closed_date
    from int_deals
),

-- The day after a quarter's last day starts the next quarter: as of that last day its quarter is complete.
bounds as (
    select
        int_as_of.as_of_date,
        first_dates.created_date as first_created_date,
        first_dates.closed_date as first_closed_date,
        cast({{ dbt.date_trunc('quarter', dbt.dateadd('day', 1, 'int_as_of.as_of_date')) }} as date) as quarter_start
    from int_as_of
    cross join first_dates
),

periods as (
    select
        'all' as period,
        first_closed_date as period_start_date,
        as_of_date as period_end_date,
        first_created_date
    from bounds
    {% for period, from_months, to_months in [('last_4_quarters', -12, 0), ('prior_4_quarters', -24, -12)] %}

    union all

    select
        '{{ period }}' as period,
        cast({{ dbt.dateadd('month', from_months, 'quarter_start') }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', to_months, 'quarter_start')) }} as date) as period_end_date,
        first_created_date
    from bounds
    {% endfor %}
),

final as (
    select
        period,
        period_start_date,
        period_end_date,
        coalesce(period <> 'all' and first_created_date >= period_start_date, false) as is_partial_period
    from periods
)

select * from final
