-- What do we lose most to?
-- Did a reason grow by more than chance?
-- Shares of the deals lost in the last four complete quarters, the greatest first, against the four before. Shares sum to 1, so when one grows the others
-- shrink: share_change is that of the share beside the reasons that don't stand out. Where is_previous_period_partial is true, the year before lacks
-- losses that took long.
-- May be empty: where no lost deal has a reason.
with

rpt_lost_reasons as (
    select * from {{ ref('rpt_lost_reasons') }}
),

final as (
    select
        lost_reason,
        period_start_date,
        period_end_date,
        lost_deal_count,
        all_lost_deal_count,
        lost_share,
        lost_share_lower,
        lost_share_upper,
        lost_amount,
        lost_amount_share,
        previous_lost_deal_count,
        previous_lost_share,
        is_previous_period_partial,
        reference_reasons,
        share_change,
        share_change_lower,
        share_change_upper,
        adjusted_p_value,
        verdict,
        finding
    from rpt_lost_reasons
)

select * from final
order by lost_deal_count desc, lost_reason asc
