-- Which won deals resembled this one, and whose were they?
-- How long did they stay in its stage?
-- Up to five won deals per open deal, the likest first: whom to ask, and how their days in the stage compare. They are examples and no evidence: lost deals
-- can be as alike, so what these have in common is not what wins. similar_days_in_stage is null where the won deal skipped the stage, or its history doesn't say.
-- May be empty: without open or without won deals.
with

fct_similar_won_deals as (
    select * from {{ ref('fct_similar_won_deals') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

final as (
    select
        won_deals.deal_id,
        won_deals.stage,
        won_deals.days_in_stage,
        won_deals.deal_amount,
        won_deals.similarity_rank,
        won_deals.similar_deal_id,
        dim_reps.rep_name as similar_rep_name,
        won_deals.similar_won_date,
        won_deals.similar_deal_amount,
        won_deals.similar_days_in_stage,
        won_deals.similar_cycle_days,
        won_deals.similarity,
        won_deals.matching_values
    from fct_similar_won_deals as won_deals
    left join dim_reps
        on won_deals.similar_sales_rep_id = dim_reps.sales_rep_id
)

select * from final
order by deal_id, similarity_rank
