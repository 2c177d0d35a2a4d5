with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_capabilities as (
    select * from {{ ref('int_capabilities') }}
),

bounds as (
    select
        int_deal_bounds.first_created_date,
        int_deal_bounds.as_of_date
    from int_deal_bounds
    inner join int_capabilities
        on int_capabilities.has_field_history
),

starts as (
    select
        *,
        'week' as period_type,
        unnest(generate_series({{ dbt.date_trunc('week', 'first_created_date') }}, as_of_date, interval 1 week)) as period_start
    from bounds

    union all

    select
        *,
        'month' as period_type,
        unnest(generate_series({{ dbt.date_trunc('month', 'first_created_date') }}, as_of_date, interval 1 month)) as period_start
    from bounds

    union all

    select
        *,
        'quarter' as period_type,
        unnest(generate_series({{ quarter_start('first_created_date') }}, as_of_date, interval 3 month)) as period_start
    from bounds
),

periods as (
    select
        *,
        cast(period_start as date) as period_start_date,
        cast(
            case period_type
                when 'week' then {{ dbt.dateadd('day', 6, 'period_start') }}
                when 'month' then {{ dbt.last_day('period_start', 'month') }}
                else {{ quarter_end('period_start') }}
            end as date
        ) as period_end_date
    from starts
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
)

select * from final
