-- Which deals left Q3 without being closed?
-- Deals whose expected close date was moved out of a quarter and not back, and that did not close in it; the newest quarter first, the largest deal first. outcome
-- is what has become of them since. left_late marks those moved only after the quarter had ended: till then they stood in it as overdue.
-- May be empty: without field history, or where no date was moved.
{% set own_quarter = quarter_start('expected_close_date') %}
{% set other_quarter = quarter_start('other_expected_close_date') %}

with

-- Of a deal's ways into and out of a quarter the newest decides.
moves as (
    select
        *,
        {{ own_quarter }} as quarter_start_date,
        row_number() over (partition by deal_id, {{ own_quarter }} order by movement_date desc) as newest_first
    from {{ ref('fct_pipeline_movements') }}
    where
        movement in ('moved_out', 'moved_in')
        and expected_close_date is not null
        and {{ own_quarter }} is distinct from {{ other_quarter }}
),

fct_deals as (
    select * from {{ ref('fct_deals') }}
),

final as (
    select
        moves.quarter_start_date,
        moves.deal_id,
        fct_deals.deal_name,
        fct_deals.sales_rep_id,
        moves.movement_date as left_date,
        moves.movement_date >= {{ dbt.dateadd('month', 3, 'moves.quarter_start_date') }} as left_late,
        moves.amount_before as left_amount,
        moves.expected_close_date as expected_close_date_before,
        moves.other_expected_close_date as expected_close_date_after,
        fct_deals.outcome,
        fct_deals.closed_date
    from moves
    inner join fct_deals
        on moves.deal_id = fct_deals.deal_id
    where
        moves.newest_first = 1
        and moves.movement = 'moved_out'
        and (fct_deals.is_open or fct_deals.closed_date >= {{ dbt.dateadd('month', 3, 'moves.quarter_start_date') }})
)

select * from final
order by quarter_start_date desc, left_amount desc, deal_id asc
