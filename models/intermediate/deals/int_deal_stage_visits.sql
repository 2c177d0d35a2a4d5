with

int_stage_history as (
    select * from {{ ref('int_stage_history') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_bulk_updates as (
    select * from {{ ref('int_bulk_updates') }}
),

-- Closings are rows here, because they end a visit, and leave with the filter in `visits`.
changes as (
    select
        deal_id,
        stage,
        stage_order,
        open_position,
        is_closed,
        entered_at as recorded_at,
        row_number() over deal_changes as change_number,
        sum(case when is_closed then 1 else 0 end) over deal_changes as closing_count,
        max(open_position) over (deal_changes rows between unbounded preceding and 1 preceding) as highest_before,
        max(open_position) over (deal_changes rows between unbounded preceding and unbounded following) as highest_ever,
        lead(entered_at) over deal_changes as next_recorded_at,
        lead(stage_order) over deal_changes as next_stage_order,
        lead(is_closed) over deal_changes as is_next_closed,
        lead(is_won) over deal_changes as is_next_won,
        lead(history_number, 2) over deal_changes is not null as has_two_more
    from int_stage_history
    where is_stage_change
    window deal_changes as (partition by deal_id order by history_number)
),

visits as (
    select
        changes.*,
        cast(changes.change_number - changes.closing_count as integer) as visit_number,
        cast(changes.closing_count + 1 as integer) as spell_number,
        changes.is_next_closed is null or (changes.is_next_closed and not changes.has_two_more) as is_last,
        int_deals.is_open,
        int_deals.is_won,
        int_deals.sales_rep_id,
        int_deals.created_at,
        int_deals.closed_at,
        int_deals.as_of_date
    from changes
    inner join int_deals
        on changes.deal_id = int_deals.deal_id
    where not changes.is_closed
),

-- The life of a deal runs from its creation to its close: the later of the close in the deals file and its last stage change.
dated as (
    select
        *,
        case when visit_number = 1 then created_at else greatest(recorded_at, created_at) end as entered_at,
        case
            when not is_last then greatest(next_recorded_at, created_at)
            when not is_open then greatest(closed_at, created_at, recorded_at, coalesce(next_recorded_at, recorded_at))
        end as exited_at,
        visit_number = 1 and cast(recorded_at as date) > cast(created_at as date) as is_left_truncated
    from visits
),

timed as (
    select
        *,
        is_last and is_open as is_censored,
        {{ dbt.datediff('entered_at', "coalesce(exited_at, " ~ dbt.dateadd('day', 1, 'cast(as_of_date as timestamp)') ~ ")", 'second') }} as visit_seconds,
        cast({{ dbt.datediff('entered_at', 'coalesce(exited_at, as_of_date)', 'day') }} as integer) as days_in_stage
    from dated
),

final as (
    select
        timed.deal_id,
        timed.visit_number,
        timed.spell_number,
        timed.stage,
        timed.stage_order,
        timed.entered_at,
        timed.exited_at,
        timed.is_censored,
        timed.visit_seconds,
        timed.days_in_stage,
        cast(sum(timed.days_in_stage) over (stage_visits rows between unbounded preceding and current row) as integer) as cumulative_days_in_stage,
        lead(timed.visit_number) over stage_visits is null as is_latest,
        row_number() over stage_visits > 1 as is_reentry,
        coalesce(timed.open_position < timed.highest_before, false) as is_regression,
        timed.open_position = timed.highest_ever as is_furthest,
        case when not timed.is_left_truncated then cast(greatest(timed.open_position - coalesce(timed.highest_before, 0) - 1, 0) as bigint) else 0 end as skipped_stage_count,
        case
            when timed.is_censored then 'open'
            when timed.is_last then case when timed.is_won then 'won' else 'lost' end
            when not timed.is_next_closed then case when timed.next_stage_order < timed.stage_order then 'regressed' else 'advanced' end
            when timed.is_next_won is null then 'closed'
            when timed.is_next_won then 'won'
            else 'lost'
        end as exit_kind,
        timed.is_left_truncated,
        case when timed.is_left_truncated then timed.recorded_at end as observed_from_at,
        int_bulk_updates.sales_rep_id is not null as is_bulk_update
    from timed
    left join int_bulk_updates
        on
            timed.sales_rep_id = int_bulk_updates.sales_rep_id
            and {{ dbt.date_trunc('minute', 'timed.recorded_at') }} = int_bulk_updates.moved_minute
    window stage_visits as (partition by timed.deal_id, timed.stage order by timed.visit_number)
)

select * from final
