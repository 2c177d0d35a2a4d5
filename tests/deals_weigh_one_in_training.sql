-- Whatever the number of its observations, a closed deal weighs 1.
select
    deal_id,
    sum(deal_weight) as deal_weight
from {{ ref('int_score_observations') }}
group by deal_id
having abs(sum(deal_weight) - 1) > 1e-9
