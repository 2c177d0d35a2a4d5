-- Stands for the uniqueness of (deal_id, visit_number), at a group a deal instead of a group a visit.
select
    deal_id,
    count(*) as visit_count
from {{ ref('fct_deal_stage_visits') }}
group by deal_id
having
    min(visit_number) <> 1
    or max(visit_number) <> count(*)
    or sum(visit_number) <> count(*) * (count(*) + 1) / 2
