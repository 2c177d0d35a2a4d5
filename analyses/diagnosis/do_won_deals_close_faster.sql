-- Do won deals close faster than lost ones?
-- Where is the gap real?
-- First all deals, then segments, signals first. cycle_outcome_gap_days is the difference of the medians, below 0 when wins are faster; cycle_shift_days answers
-- the same with an interval. A gap is real where the verdict is a signal, but other factors aren't held equal: one product's slow losses show in every
-- segment that sells much of it. How long a deal takes is known only after its close; young cohorts, of which the quick deals alone have closed, are left out.
with

rpt_cycle_outcome_gap as (
    select * from {{ ref('rpt_cycle_outcome_gap') }}
),

final as (
    select
        segment_dimension,
        segment_value,
        won_deal_count,
        lost_deal_count,
        excluded_deal_count,
        median_won_cycle_days,
        median_lost_cycle_days,
        cycle_outcome_gap_days,
        cycle_shift_days,
        cycle_shift_lower_days,
        cycle_shift_upper_days,
        adjusted_p_value,
        p_value_threshold,
        verdict,
        coalesce(missing_reason, finding) as finding
    from rpt_cycle_outcome_gap
)

select * from final
order by
    case segment_dimension when 'all' then 1 else 2 end asc,
    case verdict when 'signal' then 1 else 2 end asc,
    segment_dimension asc,
    segment_value asc
