-- How long the visits of won deals lasted: the quantile beyond which an open one is stalled. Too few of them: null.
with

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_stage_visit_counts as (
    select * from {{ ref('int_stage_visit_counts') }}
),

winning_days as (
    select
        stage,
        days_in_stage,
        sum(visit_count) as visit_count
    from int_stage_visit_counts
    where
        segment_dimension = 'all'
        and is_completed
        and is_won
        and observed_after_days = 0
    group by stage, days_in_stage
),

cumulated as (
    select
        stage,
        days_in_stage,
        sum(visit_count) over (partition by stage order by days_in_stage) as visits_so_far,
        sum(visit_count) over (partition by stage) as visit_count
    from winning_days
),

thresholds as (
    select
        stage,
        max(visit_count) as visit_count,
        min(case when visits_so_far >= visit_count * {{ var('stall_quantile') }} then days_in_stage end) as stall_threshold_days
    from cumulated
    group by stage
),

final as (
    select
        int_stages.stage,
        cast(coalesce(thresholds.visit_count, 0) as bigint) as winning_visit_count,
        case when thresholds.visit_count >= {{ var('min_segment_deals') }} then thresholds.stall_threshold_days end as stall_threshold_days
    from int_stages
    left join thresholds
        on int_stages.stage = thresholds.stage
    where not int_stages.is_closed
)

select * from final
