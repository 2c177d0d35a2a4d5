-- From creation to the close or the end of the as-of day without a gap, in seconds and in days. Only what lies between a closing
-- and a reopening is no visit, so the seconds and days of reopened deals are fewer. Visits are numbered one by one, which is also the
-- uniqueness of (deal_id, visit_number), at a group a deal instead of a group a visit.
with

lives as (
    select
        deal_id,
        min(entered_at) as started_at,
        max(exited_at) as closed_at,
        sum(case when is_censored then 1 else 0 end) as open_visit_count,
        sum(visit_seconds) as visit_seconds,
        sum(days_in_stage) as days_in_stage,
        min(visit_seconds) as shortest_seconds,
        max(spell_number) as spell_count,
        min(visit_number) = 1
        and max(visit_number) = count(*)
        and sum(visit_number) = count(*) * (count(*) + 1) / 2 as is_numbered_one_by_one
    from {{ ref('fct_deal_stage_visits') }}
    group by deal_id
),

joined as (
    select
        lives.*,
        deals.deal_id is null as is_stranger,
        deals.created_at,
        deals.is_open,
        deals.age_days,
        deals.closed_date,
        {{ dbt.datediff(
            'deals.created_at',
            'case when deals.is_open then ' ~ dbt.dateadd('day', 1, 'cast(deals.as_of_date as timestamp)') ~ ' else lives.closed_at end',
            'second'
        ) }} as life_seconds
    from lives
    left join {{ ref('int_deals') }} as deals
        on lives.deal_id = deals.deal_id
)

select *
from joined
where
    is_stranger
    or not is_numbered_one_by_one
    or started_at <> created_at
    or open_visit_count <> case when is_open then 1 else 0 end
    or not is_open and cast(closed_at as date) <> closed_date
    or shortest_seconds < 0
    or visit_seconds > life_seconds
    or spell_count = 1 and (visit_seconds <> life_seconds or days_in_stage <> age_days)
