-- To the cent and to the deal; each period closes where the next one opens, and the last one on what is open as of the as-of date.
with

bridged as (
    select
        bridge.*,
        lead(bridge.opening_amount) over segment_periods as next_opening_amount,
        lead(bridge.period_start_date) over segment_periods as next_start_date
    from {{ ref('rpt_pipeline_bridge') }} as bridge
    window segment_periods as (
        partition by bridge.period_type, bridge.segment_dimension, bridge.segment_value
        order by bridge.period_start_date
    )
),

open_deals as (
    select
        sum(deal_amount) as amount,
        count(*) as deal_count
    from {{ ref('int_deals') }}
    where
        is_open
        and deal_amount > 0
)

select bridged.*
from bridged
cross join open_deals
where
    bridged.residual_amount <> 0
    or bridged.closing_deal_count <> bridged.opening_deal_count + bridged.new_deal_count + bridged.reopened_deal_count
    + bridged.moved_in_deal_count - bridged.moved_out_deal_count - bridged.won_deal_count - bridged.lost_deal_count
    - bridged.removed_deal_count
    or bridged.closing_amount <> coalesce(bridged.next_opening_amount, bridged.closing_amount)
    or bridged.closing_amount <> 0
    and bridged.next_start_date > {{ dbt.dateadd('day', 1, 'bridged.period_end_date') }}
    or bridged.segment_dimension = 'all'
    and bridged.next_start_date is null
    and (bridged.closing_amount <> coalesce(open_deals.amount, 0) or bridged.closing_deal_count <> open_deals.deal_count)
