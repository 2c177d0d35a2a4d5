select *
from {{ ref('rpt_stage_conversion') }}
where
    reached_deal_count <> advanced_deal_count + lost_here_deal_count + open_here_deal_count
    or reached_deal_count <> won_deal_count + lost_deal_count + open_deal_count
    or abs(stage_win_probability + loss_probability + open_probability - 1) > 1e-12
