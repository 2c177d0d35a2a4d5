-- The average deal + all contributions = the score's log odds, and the points sum to the difference in probability.
select
    scores.deal_id,
    scores.win_log_odds,
    count(*) as reason_count
from {{ ref('fct_deal_scores') }} as scores
inner join {{ ref('fct_deal_score_reasons') }} as reasons
    on scores.deal_id = reasons.deal_id
group by scores.deal_id, scores.win_log_odds, scores.average_log_odds, scores.win_probability
having
    abs(scores.average_log_odds + sum(reasons.contribution) - scores.win_log_odds) > 1e-9
    or abs(sum(reasons.contribution_pp) / 100 + 1 / (1 + exp(-scores.average_log_odds)) - scores.win_probability) > 1e-9
