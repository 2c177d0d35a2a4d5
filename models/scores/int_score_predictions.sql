with

int_score_contributions as (
    select * from {{ ref('int_score_contributions') }}
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
        average_log_odds + sum(contribution) as log_odds,
        cast(sum(case when is_unseen then 1 else 0 end) as bigint) as unseen_count
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
