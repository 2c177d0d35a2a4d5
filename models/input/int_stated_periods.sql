-- Where the input says no end of a period, it runs to the day before its owner's next one; the last one is as long as the one before it. An
-- only one is the quarter whose first day it names. A quota that begins with a year may be the year's, so then nothing is assumed.
with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

stated as (
    select
        'quotas' as input,
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        case when {{ to_text('sales_rep_id') }} is null then {{ to_text('team') }} end as team,
        cast({{ to_timestamp('period_start', 'quotas') }} as date) as period_start_date
    from {{ ref('int_input__quotas') }}

    union all

    select
        'forecast_calls' as input,
        {{ to_text('calls.sales_rep_id') }} as sales_rep_id,
        null as team,
        cast({{ to_timestamp('calls.period_start', 'forecast_calls') }} as date) as period_start_date
    from {{ ref('int_input__forecast_calls') }} as calls
    inner join int_as_of
        on cast({{ to_timestamp('calls.called_at', 'forecast_calls') }} as date) <= int_as_of.as_of_date
),

starts as (
    select distinct
        input,
        sales_rep_id,
        team,
        period_start_date
    from stated
    where period_start_date is not null
),

neighbours as (
    select
        *,
        lag(period_start_date) over owner_periods as previous_start_date,
        lead(period_start_date) over owner_periods as next_start_date
    from starts
    window owner_periods as (partition by input, sales_rep_id, team order by period_start_date)
),

final as (
    select
        input,
        sales_rep_id,
        team,
        period_start_date,
        cast(case
            when next_start_date is not null then {{ dbt.dateadd('day', -1, 'next_start_date') }}
            when extract(day from previous_start_date) = extract(day from period_start_date)
                then {{ dbt.dateadd('day', -1, dbt.dateadd('month', dbt.datediff('previous_start_date', 'period_start_date', 'month'), 'period_start_date')) }}
            when previous_start_date is not null
                then {{ dbt.dateadd('day', dbt.datediff('previous_start_date', 'period_start_date', 'day') ~ ' - 1', 'period_start_date') }}
            when
                period_start_date = {{ quarter_start('period_start_date') }}
                and (input = 'forecast_calls' or period_start_date <> {{ year_start('period_start_date') }})
                then {{ quarter_end('period_start_date') }}
        end as date) as period_end_date
    from neighbours
)

select * from final
