with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

-- The day after a quarter's last day starts the next quarter: as of that last day its quarter is complete.
bounds as (
    select
        *,
        {{ quarter_start(dbt.dateadd('day', 1, 'as_of_date')) }} as quarter_start
    from int_deal_bounds
),

periods as (
    select
        'all' as period,
        first_closed_date as period_start_date,
        as_of_date as period_end_date,
        first_created_date
    from bounds

    union all

    select
        'last_4_quarters' as period,
        cast({{ dbt.dateadd('month', -12, 'quarter_start') }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, 'quarter_start') }} as date) as period_end_date,
        first_created_date
    from bounds

    union all

    select
        'prior_4_quarters' as period,
        cast({{ dbt.dateadd('month', -24, 'quarter_start') }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('month', -12, 'quarter_start')) }} as date) as period_end_date,
        first_created_date
    from bounds
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
