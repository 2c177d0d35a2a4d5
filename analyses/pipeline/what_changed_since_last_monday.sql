-- What changed in the pipeline since last Monday?
-- What happened from the Monday before the as-of date on, the largest first. The sum of movement_amount is the change of the whole pipeline: a move to another
-- owner or expected close date takes nothing out of it and stands here once, with 0. Another date in place of monday_date bridges any time.
-- May be empty: without field history, or in a week in which nothing happened.
with

fct_pipeline_movements as (
    select * from {{ ref('fct_pipeline_movements') }}
),

fct_deals as (
    select * from {{ ref('fct_deals') }}
),

-- Monday itself looks back a week.
since as (
    select cast({{ dbt.date_trunc('week', dbt.dateadd('day', -1, 'max(as_of_date)')) }} as date) as monday_date
    from fct_deals
),

final as (
    select
        movements.movement_date,
        movements.deal_id,
        fct_deals.deal_name,
        case movements.movement when 'moved_out' then 'moved' else movements.movement end as movement,
        case movements.movement when 'moved_out' then 0 else movements.movement_amount end as movement_amount,
        greatest(movements.amount_before, movements.amount_after) as deal_amount,
        movements.sales_rep_id,
        movements.other_sales_rep_id as new_sales_rep_id,
        movements.expected_close_date,
        movements.other_expected_close_date as new_expected_close_date
    from fct_pipeline_movements as movements
    inner join fct_deals
        on movements.deal_id = fct_deals.deal_id
    cross join since
    where
        movements.movement_date >= since.monday_date
        and movements.movement <> 'moved_in'
)

select * from final
order by deal_amount desc, movement_date asc, deal_id asc, movement asc
