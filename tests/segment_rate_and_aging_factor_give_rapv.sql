-- The published reading holds: amount x segment_win_rate x aging_factor = RAPV, and RAPV + revenue at risk = amount.
select
    deal_id,
    raw_amount,
    rapv_amount
from {{ ref('fct_deal_values') }}
where
    abs(raw_amount * segment_win_rate * aging_factor - rapv_amount) > 1e-9 * abs(raw_amount)
    or abs(rapv_amount + revenue_at_risk_amount - raw_amount) > 1e-9 * abs(raw_amount)
    or (segment_win_rate > 0 and (aging_factor is null) <> (rapv_probability is null))
