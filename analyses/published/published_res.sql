-- Published: RES = win rate by amount x win rate by count, by quarter of the close.
-- The marts differ: rpt_segment_win_rates has the two factors side by side, each with its interval, and their ratio, the size effect. The
-- product of two rates that nearly are the same number squares it: it moves when either moves and doesn't say which.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

periods as (
    select
        'all' as closed_quarter,
        is_won,
        deal_amount
    from fct_deals

    union all

    select
        cast({{ quarter_start('closed_date') }} as {{ dbt.type_string() }}) as closed_quarter,
        is_won,
        deal_amount
    from fct_deals
    where closed_date is not null
),

rates as (
    select
        closed_quarter,
        count(*) as closed_deal_count,
        avg(case when is_won then 1.0 else 0.0 end) as win_rate,
        sum(case when is_won then deal_amount else 0 end) / sum(deal_amount) as amount_win_rate
    from periods
    group by closed_quarter
),

final as (
    select
        closed_quarter,
        closed_deal_count,
        win_rate,
        amount_win_rate,
        amount_win_rate * win_rate as res_published
    from rates
)

select * from final
order by closed_quarter
