{{ config(materialized = 'view') }}

with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

-- Only the visits of a stage that its deal came back to go through the window: of tens of millions they are few.
revisited_stages as (
    select distinct
        deal_id,
        stage_rank
    from {{ ref('int_deal_stage_visits') }}
    where is_reentry
),

cumulated as (
    select
        visits.deal_id,
        visits.visit_number,
        cast(sum(visits.days_in_stage) over (
            partition by visits.deal_id, visits.stage_rank
            order by visits.visit_number
            rows unbounded preceding
        ) as integer) as cumulative_days_in_stage
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join revisited_stages
        on
            visits.deal_id = revisited_stages.deal_id
            and visits.stage_rank = revisited_stages.stage_rank
),

final as (
    select
        visits.deal_id,
        visits.visit_number,
        visits.spell_number,
        visits.stage,
        int_stages.pipeline,
        int_stages.stage_order,
        visits.entered_at,
        visits.exited_at,
        visits.is_censored,
        {{ dbt.datediff(
            'visits.entered_at',
            'coalesce(visits.exited_at, ' ~ dbt.dateadd('day', 1, 'cast(int_as_of.as_of_date as timestamp)') ~ ')',
            'second'
        ) }} as visit_seconds,
        visits.days_in_stage,
        coalesce(cumulated.cumulative_days_in_stage, visits.days_in_stage) as cumulative_days_in_stage,
        visits.is_latest,
        visits.is_reentry,
        visits.is_regression,
        cast(visits.skipped_stage_count as bigint) as skipped_stage_count,
        case
            when visits.is_censored then 'open'
            when visits.is_last then case when visits.is_won then 'won' else 'lost' end
            when not next_stages.is_closed and next_stages.pipeline_text <> int_stages.pipeline_text then 'moved'
            when not next_stages.is_closed then case when visits.next_stage_rank < visits.stage_rank then 'regressed' else 'advanced' end
            when next_stages.is_won is null then 'closed'
            when next_stages.is_won then 'won'
            else 'lost'
        end as exit_kind,
        case
            when visits.is_reentry then null
            when not visits.is_furthest or visits.is_won then 'advanced'
            when visits.is_won is null then 'open'
            else 'lost'
        end as stage_result,
        visits.is_left_truncated,
        visits.observed_from_at,
        visits.is_bulk_update
    from int_deal_stage_visits as visits
    inner join int_stages
        on visits.stage_rank = int_stages.stage_rank
    left join int_stages as next_stages
        on visits.next_stage_rank = next_stages.stage_rank
    left join cumulated
        on
            visits.deal_id = cumulated.deal_id
            and visits.visit_number = cumulated.visit_number
    cross join int_as_of
)

select * from final
