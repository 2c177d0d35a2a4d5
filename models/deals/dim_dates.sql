-- From the month of the first creation to the end of the year after the as-of date's, without asking the database's calendar.
with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

bounds as (
    select
        cast({{ dbt.date_trunc('month', 'min(int_deals.created_date)') }} as date) as first_date,
        max(int_as_of.as_of_date) as as_of_date
    from int_as_of
    left join int_deals
        on int_as_of.as_of_date = int_deals.as_of_date
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit{{ " union all" if not loop.last }}
    {% endfor %}
),

offsets as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit + 10000 * ten_thousands.digit as day_offset
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
    cross join digits as ten_thousands
),

days as (
    select
        cast({{ dbt.dateadd('day', 'offsets.day_offset', 'bounds.first_date') }} as date) as date_day,
        bounds.as_of_date
    from offsets
    cross join bounds
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
    where date_day < cast({{ dbt.dateadd('year', 2, dbt.date_trunc('year', 'as_of_date')) }} as date)
)

select * from final
