with

int_win_rate_months as (
    select * from {{ ref('int_win_rate_months') }}
    where basis = 'closed_date'
),

int_closing_bounds as (
    select * from {{ ref('int_closing_bounds') }}
),

final as (
    select
        int_win_rate_months.month_start,
        cast(int_win_rate_months.won_deal_count + int_win_rate_months.lost_deal_count as bigint) as closed_deal_count,
        cast(int_win_rate_months.won_deal_count as bigint) as won_deal_count
    from int_win_rate_months
    inner join int_closing_bounds
        on
            int_win_rate_months.month_start >= int_closing_bounds.complete_from_date
            and {{ dbt.dateadd('month', 1, 'int_win_rate_months.month_start') }} <= {{ dbt.dateadd('day', 1, 'int_closing_bounds.complete_until_date') }}
)

select * from final
