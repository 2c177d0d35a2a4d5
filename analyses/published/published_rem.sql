-- Published: REM = win rate (in percent) x mean won amount / mean won cycle, by quarter of the close.
-- The marts differ: REM is money per deal-day with the win rate as a share, over mature cohorts by creation. By closed quarter it
-- follows where the file begins: in its first quarter only short cycles can have closed, so the mean cycle is short and REM high; in its
-- last ones only long cycles are left. rem_all_deals takes amount and cycle of won and lost deals alike, as some tellings do.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

periods as (
    select
        'all' as closed_quarter,
        is_won,
        deal_amount,
        cycle_days
    from fct_deals

    union all

    select
        cast({{ quarter_start('closed_date') }} as {{ dbt.type_string() }}) as closed_quarter,
        is_won,
        deal_amount,
        cycle_days
    from fct_deals
    where closed_date is not null
),

means as (
    select
        closed_quarter,
        count(*) as closed_deal_count,
        avg(case when is_won then 1.0 else 0.0 end) as win_rate,
        avg(case when is_won then deal_amount end) as mean_won_amount,
        avg(case when is_won then cycle_days end) as mean_won_cycle_days,
        avg(deal_amount) as mean_amount,
        avg(cycle_days) as mean_cycle_days
    from periods
    group by closed_quarter
),

final as (
    select
        closed_quarter,
        closed_deal_count,
        win_rate,
        mean_won_amount,
        mean_won_cycle_days,
        100 * win_rate * mean_won_amount / nullif(mean_won_cycle_days, 0) as rem_published,
        win_rate * mean_won_amount / nullif(mean_won_cycle_days, 0) as rem,
        win_rate * mean_amount / nullif(mean_cycle_days, 0) as rem_all_deals
    from means
)

select * from final
order by closed_quarter
