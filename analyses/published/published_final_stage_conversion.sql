-- Published: a closed deal "reached" each stage up to the one the deals file holds, and conversion is the share of those who
-- reached a stage that reached the next.
-- The marts differ: rpt_stage_conversion counts visits. The one stage that a flat file holds is not where a deal ended (won deals stand in
-- every stage of such a file), and nothing says that a deal passed the stages before it. If the column is filled evenly, five stages give
-- 4/5, 3/4, 2/3, 1/2 whatever happened to the deals: uniform_conversion_rate is that, to compare with.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

dim_stages as (
    select * from {{ ref('dim_stages') }}
),

final_stages as (
    select
        dim_stages.stage,
        dim_stages.stage_order,
        count(*) as closed_deal_count,
        sum(case when fct_deals.is_won then 1 else 0 end) as won_deal_count,
        sum(case when fct_deals.is_won then 0 else 1 end) as lost_deal_count
    from fct_deals
    inner join dim_stages
        on fct_deals.deal_stage = dim_stages.stage
    group by dim_stages.stage, dim_stages.stage_order
),

reached as (
    select
        *,
        sum(closed_deal_count) over (order by stage_order desc) as reached_deal_count,
        row_number() over (order by stage_order desc) as stages_to_the_end,
        sum(lost_deal_count) over () as all_lost_deal_count
    from final_stages
),

final as (
    select
        stage,
        stage_order,
        reached_deal_count,
        won_deal_count,
        lost_deal_count,
        lost_deal_count * 1.0 / closed_deal_count as loss_rate,
        lost_deal_count * 1.0 / nullif(all_lost_deal_count, 0) as share_of_losses,
        lead(reached_deal_count) over (order by stage_order) * 1.0 / reached_deal_count as conversion_rate,
        case when stages_to_the_end > 1 then (stages_to_the_end - 1) * 1.0 / stages_to_the_end end as uniform_conversion_rate
    from reached
)

select * from final
order by stage_order
