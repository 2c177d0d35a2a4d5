with

revisited as (
    select distinct
        deal_id,
        stage_rank
    from {{ ref('int_deal_stage_visits') }}
    where is_reentry
),

final as (
    select
        visits.deal_id,
        visits.visit_number,
        cast(sum(visits.days_in_stage) over (
            partition by visits.deal_id, visits.stage_rank
            order by visits.visit_number
            rows unbounded preceding
        ) as integer) as cumulative_days_in_stage
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join revisited
        on
            visits.deal_id = revisited.deal_id
            and visits.stage_rank = revisited.stage_rank
)

select * from final
