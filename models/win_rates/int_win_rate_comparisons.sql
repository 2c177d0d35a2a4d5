with

int_whole_months as (
    select * from {{ ref('int_whole_months') }}
),

-- Half-years end with the newest whole month, and every six months before it.
bounds as (
    select
        complete_from_date,
        complete_until_date,
        {{ dbt.dateadd('month', -1, dbt.date_trunc('month', dbt.dateadd('day', 1, 'complete_until_date'))) }} as newest_month_start
    from {{ ref('int_closing_bounds') }}
),

period_types (period_type, month_count) as (
    values ('month', 1), ('quarter', 3), ('half_year', 6)
),

started as (
    select distinct
        period_types.period_type,
        period_types.month_count,
        case period_types.period_type
            when 'half_year'
                then cast({{ dbt.dateadd(
                    'month',
                    "-5 - 6 * cast(floor(" ~ dbt.datediff('months.month_start', 'bounds.newest_month_start', 'month') ~ " / 6) as integer)",
                    'bounds.newest_month_start',
                ) }} as date)
            else {{ period_start('months.month_start', 'period_types.month_count') }}
        end as period_start_date
    from int_whole_months as months
    cross join bounds
    cross join period_types
),

-- A period is compared with the same months a year before where these are known, else with the period before it.
candidates as (
    select
        started.*,
        cast({{ dbt.dateadd('month', -12, 'started.period_start_date') }} as date) as year_before_date,
        cast({{ dbt.dateadd('month', '(-started.month_count)', 'started.period_start_date') }} as date) as period_before_date,
        bounds.complete_from_date
    from started
    inner join bounds
        on
            started.period_start_date >= bounds.complete_from_date
            and {{ dbt.dateadd('month', 'started.month_count', 'started.period_start_date') }} <= {{ dbt.dateadd('day', 1, 'bounds.complete_until_date') }}
),

chosen as (
    select
        *,
        year_before_date >= complete_from_date as is_year_on_year,
        case when year_before_date >= complete_from_date then year_before_date else period_before_date end as previous_period_start_date
    from candidates
    where period_before_date >= complete_from_date
),

-- The months of both periods; those that stand for the same month of a year are a stratum.
months as (
    select
        chosen.period_type,
        chosen.period_start_date,
        chosen.previous_period_start_date,
        chosen.is_year_on_year,
        int_whole_months.month_start as closed_month,
        int_whole_months.month_start < chosen.period_start_date as is_previous,
        case
            when chosen.is_year_on_year then extract(month from int_whole_months.month_start) else 0
        end as stratum,
        int_whole_months.closed_deal_count,
        int_whole_months.won_deal_count
    from chosen
    inner join int_whole_months
        on
            chosen.previous_period_start_date <= int_whole_months.month_start
            and {{ dbt.dateadd('month', 'chosen.month_count', 'chosen.period_start_date') }} > int_whole_months.month_start
            and (
                chosen.period_start_date <= int_whole_months.month_start
                or {{ dbt.dateadd('month', 'chosen.month_count', 'chosen.previous_period_start_date') }} > int_whole_months.month_start
            )
),

strata as (
    select
        *,
        sum(closed_deal_count) over (partition by period_type, period_start_date, stratum) as stratum_deal_count,
        sum(closed_deal_count) over (partition by period_type, period_start_date, stratum, is_previous) as side_deal_count
    from months
),

-- Mantel and Haenszel's weights: each stratum counts alike on both sides. One without deals on a side tells nothing.
final as (
    select
        period_type,
        period_start_date,
        previous_period_start_date,
        case when is_year_on_year then 'year_on_year' else 'previous_period' end as comparison,
        closed_month,
        is_previous,
        cast(stratum as integer) as stratum,
        closed_deal_count,
        won_deal_count,
        case
            when is_year_on_year then cast((stratum_deal_count - side_deal_count) / stratum_deal_count as decimal(18, 15))
            else cast(1 as decimal(18, 15))
        end as deal_weight
    from strata
    where stratum_deal_count > side_deal_count
)

select * from final
