-- The rate and mix effects of a dimension's segments, added up, are the whole change between two periods.
select
    period_type,
    period_start_date,
    segment_dimension,
    sum(rate_effect + mix_effect) as added_up,
    max(total_change) as total_change
from {{ ref('rpt_win_rate_change') }}
group by
    period_type,
    period_start_date,
    segment_dimension
having
    abs(sum(rate_effect + mix_effect) - max(total_change)) > 1e-12
    or abs(max(dimension_rate_effect) - sum(rate_effect)) > 1e-12
    or abs(max(dimension_mix_effect) - sum(mix_effect)) > 1e-12
