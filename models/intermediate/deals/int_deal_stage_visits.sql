with

int_stage_history as (
    select * from {{ ref('int_stage_history') }}
    where is_stage_change
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_bulk_updates as (
    select * from {{ ref('int_bulk_updates') }}
),

-- Closings are rows here, because they end a visit. Stages are numbers, so that only what orders tens of millions of rows is sorted.
changes as (
    select
        deal_id,
        stage_rank,
        is_closed,
        entered_at as recorded_at,
        row_number() over deal_changes as change_number,
        count(case when is_closed then 1 end) over (deal_changes rows unbounded preceding) as closing_count,
        max(case when not is_closed then stage_rank end) over (deal_changes rows between unbounded preceding and 1 preceding) as highest_before,
        max(case when not is_closed then stage_rank end) over (deal_changes rows between unbounded preceding and unbounded following) as highest_ever,
        lead(entered_at) over deal_changes as next_recorded_at,
        lead(stage_rank) over deal_changes as next_stage_rank,
        lead(is_closed) over deal_changes as is_next_closed,
        lead(stage_rank, 2) over deal_changes is null as has_at_most_one_after
    from int_stage_history
    window deal_changes as (partition by deal_id order by history_number)
),

visits as (
    select
        changes.*,
        int_deals.is_open,
        int_deals.is_won,
        int_deals.created_at,
        int_deals.closed_at,
        int_deals.as_of_date,
        changes.next_stage_rank is null or (changes.is_next_closed and changes.has_at_most_one_after) as is_last,
        int_bulk_updates.sales_rep_id is not null as is_bulk_update
    from changes
    inner join int_deals
        on changes.deal_id = int_deals.deal_id
    left join int_bulk_updates
        on
            int_deals.sales_rep_id = int_bulk_updates.sales_rep_id
            and {{ dbt.date_trunc('minute', 'changes.recorded_at') }} = int_bulk_updates.moved_minute
    where not changes.is_closed
),

-- The life of a deal runs from its creation to its close: the later of the close in the deals file and its last stage change.
dated as (
    select
        *,
        case when change_number = 1 then created_at else greatest(recorded_at, created_at) end as entered_at,
        case
            when not is_last then greatest(next_recorded_at, created_at)
            when not is_open then greatest(closed_at, created_at, recorded_at, coalesce(next_recorded_at, recorded_at))
        end as exited_at,
        change_number = 1 and cast(recorded_at as date) > cast(created_at as date) as is_left_truncated
    from visits
),

timed as (
    select
        *,
        {{ dbt.datediff('entered_at', 'coalesce(exited_at, as_of_date)', 'day') }} as days_in_stage
    from dated
),

numbered as (
    select
        *,
        sum(days_in_stage) over (stage_visits rows unbounded preceding) as cumulative_days_in_stage,
        row_number() over stage_visits as stage_visit_number,
        lead(change_number) over stage_visits is null as is_latest
    from timed
    window stage_visits as (partition by deal_id, stage_rank order by change_number)
),

final as (
    select
        numbered.deal_id,
        cast(numbered.change_number - numbered.closing_count as integer) as visit_number,
        cast(numbered.closing_count + 1 as integer) as spell_number,
        int_stages.stage,
        numbered.stage_rank,
        numbered.next_stage_rank,
        numbered.entered_at,
        numbered.exited_at,
        case when numbered.is_left_truncated then numbered.recorded_at end as observed_from_at,
        cast(numbered.days_in_stage as integer) as days_in_stage,
        cast(numbered.cumulative_days_in_stage as integer) as cumulative_days_in_stage,
        numbered.exited_at is null as is_censored,
        numbered.is_left_truncated,
        numbered.is_last,
        numbered.is_won,
        numbered.is_latest,
        numbered.stage_visit_number > 1 as is_reentry,
        numbered.stage_rank = numbered.highest_ever as is_furthest,
        coalesce(numbered.stage_rank < numbered.highest_before, false) as is_regression,
        case when numbered.is_left_truncated then 0 else greatest(numbered.stage_rank - coalesce(numbered.highest_before, 0) - 1, 0) end as skipped_stage_count,
        numbered.is_bulk_update
    from numbered
    inner join int_stages
        on numbered.stage_rank = int_stages.stage_rank
)

select * from final
