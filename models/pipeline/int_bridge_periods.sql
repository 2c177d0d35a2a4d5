{% set period_types = {'week': ('day', 7), 'month': ('month', 1), 'quarter': ('month', 3)} %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
    where capability = 'field_history' and is_available
),

bounds as (
    select
        min(int_deals.created_date) as first_created_date,
        min(int_as_of.as_of_date) as as_of_date
    from {{ ref('int_deals') }} as int_deals
    cross join int_as_of
    where exists (select 1 from int_data_levels)
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit{{ " union all" if not loop.last }}
    {% endfor %}
),

numbers as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as number
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
),

periods as (
    {% for period_type, (unit, count) in period_types.items() -%}
    {% set first_start = dbt.date_trunc(period_type, 'bounds.first_created_date') -%}
    select
        '{{ period_type }}' as period_type,
        cast({{ dbt.dateadd(unit, 'numbers.number * ' ~ count, first_start) }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd(unit, '(numbers.number + 1) * ' ~ count, first_start)) }} as date) as period_end_date,
        bounds.first_created_date,
        bounds.as_of_date
    from bounds
    cross join numbers
    {{- "\n\n    union all\n" if not loop.last }}
    {% endfor %}
),

final as (
    select
        period_type,
        period_start_date,
        period_end_date,
        period_start_date <= first_created_date or period_end_date > as_of_date as is_partial_period,
        cast({{ dbt.dateadd('day', -1, 'period_start_date') }} as date) as opening_date,
        least(period_end_date, as_of_date) as closing_date
    from periods
    where period_start_date <= as_of_date
)

select * from final
