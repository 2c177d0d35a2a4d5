with

int_score_contributions as (
    select * from {{ ref('int_score_contributions') }}
    where purpose <> 'score'
),

summed as (
    select
        deal_id,
        observation_date,
        purpose,
        is_won,
        deal_weight,
        fit,
        method,
        average_log_odds,
        average_log_odds + sum(contribution) as log_odds
    from int_score_contributions
    group by deal_id, observation_date, purpose, is_won, deal_weight, fit, method, average_log_odds
),

final as (
    select
        *,
        1 / (1 + exp(-log_odds)) as win_probability
    from summed
)

select * from final
