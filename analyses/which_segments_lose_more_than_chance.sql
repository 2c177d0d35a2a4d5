-- Which segments win less, or more, than chance explains, and what does it cost?
-- Only the verdict answers that: of hundreds of segments some have a p value below 0.05 on pure noise. No row is an answer too: nothing
-- here differs by more than chance. Ranked by money, not by lost deals, which rank segments by their size.
with

rpt_segment_win_rates as (
    select * from {{ ref('rpt_segment_win_rates') }}
),

final as (
    select
        period,
        segment_dimension,
        segment_value,
        closed_deal_count,
        win_rate,
        win_rate_lower,
        win_rate_upper,
        shrunk_win_rate,
        rest_win_rate,
        excess_lost_deal_count,
        excess_lost_amount,
        segment_q_value,
        finding
    from rpt_segment_win_rates
    where verdict = 'signal'
)

select * from final
order by excess_lost_amount desc, period asc, segment_dimension asc, segment_value asc
