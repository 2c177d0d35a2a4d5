-- Which segments lose more than chance, and against which competitors?
-- What does that cost in deals and money?
-- Only the verdict answers: of hundreds of segments some have a p value below 0.05 on pure noise. May be empty: then no segment differs by more than
-- chance. A competitor is a segment_dimension like the others, if the input names any. excess_lost_deal_count and excess_lost_amount are the cost,
-- against the average segment; below 0 it is a gain. Ranked by money: lost deals alone rank segments by their size.
with

rpt_segment_win_rates as (
    select * from {{ ref('rpt_segment_win_rates') }}
),

final as (
    select
        period,
        segment_dimension,
        segment_value,
        is_known_only_after_close,
        closed_deal_count,
        win_rate,
        win_rate_lower,
        win_rate_upper,
        shrunk_win_rate,
        reference_segments,
        reference_win_rate,
        vs_reference_difference,
        vs_reference_lower,
        vs_reference_upper,
        excess_lost_deal_count,
        excess_lost_amount,
        adjusted_p_value,
        verdict,
        finding
    from rpt_segment_win_rates
    where verdict = 'signal'
)

select * from final
order by excess_lost_amount desc, period asc, segment_dimension asc, segment_value asc
