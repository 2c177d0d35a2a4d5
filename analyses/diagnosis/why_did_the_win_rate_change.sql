-- Did the win rate change, and why?
-- Do we win less, or do we close other deals?
-- The comparison to look at first: the last six whole months against the same months a year before, where the file is long enough (comparison
-- says so). First all deals, then each dimension by itself: its rows sum to total_change. rate_effect is
-- what a segment's own win rate did, mix_effect what its share of deals did; dimension_rate_effect and dimension_mix_effect are their sums: do we win less
-- of the same, or do we close others? If total_verdict is no signal, there is nothing to explain, and parts of chance are chance.
with

rpt_win_rate_change as (
    select * from {{ ref('rpt_win_rate_change') }}
    where is_headline
),

final as (
    select
        period_type,
        period_start_date,
        comparison,
        segment_dimension,
        segment_value,
        previous_closed_deal_count,
        previous_win_rate,
        closed_deal_count,
        win_rate,
        total_change,
        total_change_lower,
        total_change_upper,
        total_verdict,
        rate_effect,
        rate_effect_lower,
        rate_effect_upper,
        rate_verdict,
        mix_effect,
        mix_effect_lower,
        mix_effect_upper,
        mix_verdict,
        dimension_rate_effect,
        dimension_rate_effect_lower,
        dimension_rate_effect_upper,
        dimension_mix_effect,
        dimension_mix_effect_lower,
        dimension_mix_effect_upper,
        finding
    from rpt_win_rate_change
)

select * from final
order by case segment_dimension when 'all' then 1 else 2 end asc, segment_dimension asc, segment_value asc
