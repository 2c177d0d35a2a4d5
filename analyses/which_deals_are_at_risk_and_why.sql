-- Which open deals are at risk, and what speaks against each? Largest expected loss first, with the strongest reasons in words.
-- A row says first whether the score may be believed: while the gate is closed every deal has the base rate and no reasons, and the order is that
-- of the amounts alone.
with

fct_deal_scores as (
    select * from {{ ref('fct_deal_scores') }}
),

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

reasons as (
    select
        deal_id,
        {{ dbt.listagg('reason', "' '", 'order by direction_rank') }} as reasons_against
    from {{ ref('fct_deal_score_reasons') }}
    where
        is_shown
        and direction = 'down'
    group by deal_id
),

final as (
    select
        fct_deal_scores.deal_id,
        fct_open_deals.stage,
        fct_open_deals.sales_rep_id,
        fct_open_deals.deal_amount,
        fct_deal_scores.win_probability,
        fct_deal_scores.risk_category,
        fct_deal_scores.health_score,
        fct_open_deals.deal_amount * (1 - fct_deal_scores.win_probability) as expected_loss_amount,
        reasons.reasons_against,
        fct_deal_scores.score_reason
    from fct_deal_scores
    inner join fct_open_deals
        on fct_deal_scores.deal_id = fct_open_deals.deal_id
    left join reasons
        on fct_deal_scores.deal_id = reasons.deal_id
)

select * from final
order by expected_loss_amount desc, deal_id asc
