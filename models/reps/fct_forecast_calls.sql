with

calls as (
    select * from {{ ref('int_checked__forecast_calls') }}
    where
        reason_codes is null
        and not is_duplicate
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

won as (
    select
        sales_rep_id,
        closed_date,
        sum(deal_amount) as won_amount
    from {{ ref('int_deals') }}
    where is_won
    group by sales_rep_id, closed_date
),

compared as (
    select
        calls.sales_rep_id,
        calls.period_start_date,
        calls.period_end_date,
        calls.category,
        calls.called_at,
        calls.call_amount,
        coalesce(sum(case when won.closed_date <= cast(calls.called_at as date) then won.won_amount end), 0) as won_at_call_amount,
        coalesce(sum(won.won_amount), 0) as won_amount
    from calls
    left join won
        on
            calls.sales_rep_id = won.sales_rep_id
            and calls.period_start_date <= won.closed_date
            and calls.period_end_date >= won.closed_date
    group by 1, 2, 3, 4, 5, 6
),

final as (
    select
        compared.sales_rep_id,
        compared.period_start_date,
        compared.period_end_date,
        compared.category,
        compared.called_at,
        cast(compared.call_amount as decimal(18, 2)) as call_amount,
        row_number() over (
            partition by compared.sales_rep_id, compared.period_start_date, lower(compared.category)
            order by compared.called_at desc
        ) = 1 as is_latest,
        cast(compared.won_at_call_amount as decimal(18, 2)) as won_at_call_amount,
        cast(compared.won_amount as decimal(18, 2)) as won_amount,
        compared.period_end_date <= int_as_of.as_of_date as is_period_over,
        cast(case when compared.period_end_date <= int_as_of.as_of_date then compared.call_amount - compared.won_amount end as decimal(18, 2)) as error_amount,
        int_as_of.as_of_date
    from compared
    cross join int_as_of
)

select * from final
