-- Whatever the number of its observations, a deal weighs 1 in whatever they are for.
select
    deal_id,
    purpose,
    sum(deal_weight) as deal_weight
from {{ ref('int_score_observations') }}
group by deal_id, purpose
having abs(sum(deal_weight) - 1) > 1e-9
