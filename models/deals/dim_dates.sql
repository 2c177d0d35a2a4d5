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
            {{ dbt.dateadd('day', -1, dbt.dateadd('month', 24, year_start('as_of_date'))) }},
            interval 1 day
        )) as date) as date_day
    from int_deal_bounds
),

starts as (
    select
        date_day,
        cast({{ dbt.date_trunc('month', 'date_day') }} as date) as month_start_date,
        {{ quarter_start('date_day') }} as quarter_start_date,
        {{ year_start('date_day') }} as year_start_date,
        cast({{ dbt.last_day('date_day', 'month') }} as date) as month_end_date,
        date_day <= as_of_date as is_past
    from days
),

-- A year is named by the calendar year in which it ends.
named as (
    select
        *,
        cast(extract(year from {{ dbt.dateadd('month', 11, 'year_start_date') }}) as bigint) as fiscal_year,
        cast({{ dbt.datediff('year_start_date', 'quarter_start_date', 'month') }} / 3 as bigint) + 1 as quarter_number
    from starts
),

final as (
    select
        date_day,
        month_start_date,
        quarter_start_date,
        year_start_date,
        month_end_date,
        fiscal_year,
        'FY' || cast(fiscal_year as {{ dbt.type_string() }}) || ' Q' || cast(quarter_number as {{ dbt.type_string() }}) as fiscal_quarter,
        is_past
    from named
)

select * from final
