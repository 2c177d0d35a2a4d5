-- Published: the share lost among closed deals whose stage in the deals file is a late one (Negotiation, Closed).
-- The marts differ: rpt_stage_conversion takes deals that visited a late stage, by stage history. The single stage of a flat file is no
-- visit. Compare with other_loss_rate, the same ratio of all other deals: on the file this was published for the two are 53 % and 56 %,
-- which is chance (p 0.10), so the figure is the loss rate once more and says nothing about late stages.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

dim_stages as (
    select * from {{ ref('dim_stages') }}
),

counts as (
    select
        sum(case when dim_stages.is_late then 1 else 0 end) as late_stage_deal_count,
        sum(case when dim_stages.is_late and not fct_deals.is_won then 1 else 0 end) as late_stage_lost_deal_count,
        count(*) as closed_deal_count,
        sum(case when fct_deals.is_won then 0 else 1 end) as lost_deal_count
    from fct_deals
    left join dim_stages
        on fct_deals.deal_stage = dim_stages.stage
),

final as (
    select
        late_stage_deal_count,
        late_stage_lost_deal_count,
        late_stage_lost_deal_count * 1.0 / nullif(late_stage_deal_count, 0) as late_stage_loss_ratio,
        lost_deal_count * 1.0 / closed_deal_count as loss_rate,
        (lost_deal_count - late_stage_lost_deal_count) * 1.0 / nullif(closed_deal_count - late_stage_deal_count, 0) as other_loss_rate
    from counts
)

select * from final
