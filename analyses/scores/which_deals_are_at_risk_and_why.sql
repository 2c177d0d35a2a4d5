-- Which deals are at risk?
-- Which will still be open after this quarter?
-- Why is this deal at risk?
-- Which of it can a rep change?
-- The largest expected loss first, with the strongest reasons in words. slip_probability is that of being open still after period_end_date. A reason is an
-- association in past deals: changing it need not change the outcome, and changeable_reasons are those a rep can change at all. score_reason says first
-- whether the score may be believed: while the gate is closed every deal has the base rate and no reasons, and the order is that of the amounts alone.
-- May be empty: without open deals.
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
        {{ dbt.listagg('reason', "' '", 'order by direction_rank') }} as reasons_against,
        {{ dbt.listagg('case when can_rep_change then reason end', "' '", 'order by direction_rank') }} as changeable_reasons
    from {{ ref('fct_deal_score_reasons') }}
    where
        is_shown
        and direction = 'down'
    group by deal_id
),

final as (
    select
        scores.deal_id,
        deals.stage,
        deals.sales_rep_id,
        deals.deal_amount,
        scores.win_probability,
        scores.risk_category,
        scores.health_score,
        deals.deal_amount * (1 - scores.win_probability) as expected_loss_amount,
        scores.period_end_date,
        scores.win_by_period_end_probability,
        scores.slip_probability,
        reasons.reasons_against,
        reasons.changeable_reasons,
        scores.score_status,
        scores.score_reason
    from fct_deal_scores as scores
    inner join fct_open_deals as deals
        on scores.deal_id = deals.deal_id
    left join reasons
        on scores.deal_id = reasons.deal_id
)

select * from final
order by expected_loss_amount desc, deal_id asc
