-- The as-of date, and every month end before it that lies long enough after the first creation to be replayed. A month in which
-- nothing was created or closed needs no date of its own: the pipeline before it is the one after it.
with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

months as (
    select distinct cast({{ dbt.date_trunc('month', 'created_date') }} as date) as month_start
    from int_deals

    union

    select distinct closed_month as month_start
    from int_deals
    where closed_month is not null
),

month_ends as (
    select cast({{ dbt.dateadd('day', -1, 'month_start') }} as date) as forecast_date
    from months
),

final as (
    select
        month_ends.forecast_date,
        false as is_as_of_date
    from month_ends
    inner join int_deal_bounds
        on
            month_ends.forecast_date < int_deal_bounds.as_of_date
            and month_ends.forecast_date
            >= {{ dbt.dateadd('day', var('backtest_min_history_days'), 'int_deal_bounds.first_created_date') }}

    union all

    select
        as_of_date as forecast_date,
        true as is_as_of_date
    from int_deal_bounds
)

select * from final
