-- Each open deal has one score, and reasons if and only if the gate is open.
with

reasons as (
    select distinct deal_id
    from {{ ref('fct_deal_score_reasons') }}
)

select
    deals.deal_id,
    scores.score_status
from {{ ref('int_deals') }} as deals
left join {{ ref('fct_deal_scores') }} as scores
    on deals.deal_id = scores.deal_id
left join reasons
    on deals.deal_id = reasons.deal_id
where
    deals.is_open
    and (
        scores.deal_id is null
        or (scores.score_status in ('model', 'table')) <> (reasons.deal_id is not null)
        or scores.risk_category is null and scores.win_probability is not null
    )
