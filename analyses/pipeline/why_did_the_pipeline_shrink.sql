-- Why did the pipeline shrink last quarter: losses, or too little new?
-- How much slipped into a later quarter?
-- One row per quarter, the newest first. From opening_amount to closing_amount: what came in is added, what went out is negative. Compare new_amount and lost_amount
-- with other quarters', to see which of them is unusual. slipped_amount is of the deals whose expected close went in the quarter from it to a later one, each
-- move counted; unclosed_amount is what was expected in the quarter and stood open at its end without a new date. May be empty: without field history.
with

rpt_pipeline_bridge as (
    select * from {{ ref('rpt_pipeline_bridge') }}
    where period_type = 'quarter'
),

slips as (
    select
        {{ quarter_start('expected_close_date') }} as quarter_start_date,
        count(distinct deal_id) as slipped_deal_count,
        sum(amount_before) as slipped_amount
    from {{ ref('fct_pipeline_movements') }}
    where
        movement = 'moved_out'
        and {{ quarter_start('expected_close_date') }} = {{ quarter_start('movement_date') }}
        and {{ quarter_start('expected_close_date') }} < {{ quarter_start('other_expected_close_date') }}
    group by 1
),

final as (
    select
        bridge.period_start_date,
        bridge.is_partial_period,
        bridge.opening_amount,
        bridge.new_amount,
        bridge.reopened_amount,
        bridge.increased_amount,
        -bridge.decreased_amount as decreased_amount,
        -bridge.won_amount as won_amount,
        -bridge.lost_amount as lost_amount,
        -bridge.removed_amount as removed_amount,
        bridge.closing_amount,
        bridge.closing_amount - bridge.opening_amount as change_amount,
        coalesce(slips.slipped_deal_count, 0) as slipped_deal_count,
        coalesce(slips.slipped_amount, 0) as slipped_amount,
        coalesce(expected.closing_amount, 0) as unclosed_amount
    from rpt_pipeline_bridge as bridge
    left join rpt_pipeline_bridge as expected
        on
            bridge.period_start_date = expected.period_start_date
            and expected.segment_dimension = 'expected_close_quarter'
            and expected.segment_value = cast(bridge.period_start_date as {{ dbt.type_string() }})
    left join slips
        on bridge.period_start_date = slips.quarter_start_date
    where bridge.segment_dimension = 'all'
)

select * from final
order by period_start_date desc
