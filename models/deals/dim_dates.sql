-- From the month of the first creation to the end of the year after the as-of date's, without asking the database's calendar.
with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

days as (
    select
        as_of_date,
        cast(unnest(generate_series(
            {{ dbt.date_trunc('month', 'first_created_date') }},
            {{ dbt.dateadd('day', -1, dbt.dateadd('year', 2, dbt.date_trunc('year', 'as_of_date'))) }},
            interval 1 day
        )) as date) as date_day
    from int_deal_bounds
),

final as (
    select
        date_day,
        cast({{ dbt.date_trunc('month', 'date_day') }} as date) as month_start_date,
        cast({{ dbt.date_trunc('quarter', 'date_day') }} as date) as quarter_start_date,
        cast({{ dbt.date_trunc('year', 'date_day') }} as date) as year_start_date,
        cast({{ dbt.last_day('date_day', 'month') }} as date) as month_end_date,
        date_day <= as_of_date as is_past
    from days
)

select * from final
