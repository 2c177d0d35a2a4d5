-- A day in order: the deal moves with the amount of the day before, then comes in, is re-amounted or removed, then is won or lost.
with

int_pipeline_days as (
    select * from {{ ref('int_pipeline_days') }}
),

followed as (
    select
        *,
        case when lag(is_open) over deal_days then lag(deal_amount) over deal_days else 0 end as previous_amount,
        lag(sales_rep_id) over deal_days as previous_rep_id,
        lag(expected_close_date) over deal_days as previous_close_date,
        coalesce(
            max(case when is_open or closed_as is not null then deal_amount end)
                over (deal_days rows between unbounded preceding and 1 preceding),
            0
        ) > 0 as was_in_pipeline
    from int_pipeline_days
    window deal_days as (partition by deal_id order by event_date)
),

days as (
    select
        *,
        case when is_open or closed_as is not null then deal_amount else 0 end as amount,
        previous_amount > 0
        and (
            sales_rep_id <> previous_rep_id
            or expected_close_date is distinct from previous_close_date
        ) as is_moved
    from followed
),

steps as (
    select unnest(['move_out', 'move_in', 'change', 'close']) as step
),

movements as (
    select
        days.*,
        steps.step,
        case steps.step
            when 'move_out' then 'moved_out'
            when 'move_in' then 'moved_in'
            when 'close' then days.closed_as
            when 'change'
                then case
                    when days.previous_amount = 0 and not days.was_in_pipeline then 'new'
                    when days.previous_amount = 0 then 'reopened'
                    when days.amount = 0 then 'removed'
                    when days.amount > days.previous_amount then 'increased'
                    else 'decreased'
                end
        end as movement,
        case steps.step when 'move_in' then 0 when 'close' then days.amount else days.previous_amount end as amount_before,
        case steps.step when 'move_in' then days.previous_amount when 'change' then days.amount else 0 end as amount_after
    from days
    inner join steps
        on case
            when steps.step in ('move_out', 'move_in') and days.is_moved then 1
            when steps.step = 'change' and days.amount <> days.previous_amount then 1
            when steps.step = 'close' and days.closed_as is not null and days.amount > 0 then 1
            else 0
        end = 1
),

final as (
    select
        deal_id,
        event_date as movement_date,
        movement,
        cast(amount_after - amount_before as decimal(18, 2)) as movement_amount,
        cast(amount_before as decimal(18, 2)) as amount_before,
        cast(amount_after as decimal(18, 2)) as amount_after,
        case when step = 'move_out' then previous_rep_id else sales_rep_id end as sales_rep_id,
        case when step = 'move_out' then previous_close_date else expected_close_date end as expected_close_date,
        case step when 'move_out' then sales_rep_id when 'move_in' then previous_rep_id end as other_sales_rep_id,
        case step when 'move_out' then expected_close_date when 'move_in' then previous_close_date end as other_expected_close_date
    from movements
)

select * from final
