with

int_stages as (
    select * from {{ ref('int_stages') }}
),

late_stages as (
    select coalesce(cast(sum(case when is_late then power(2, stage_rank) end) as bigint), 0) as stage_bits
    from int_stages
),

-- A deal's last row in its clock minute stands for the deal, however often it moved. At midnight sharp there is no time of day: history
-- with dates only puts a whole day there.
bulk_updates as (
    select
        deals.sales_rep_id,
        {{ dbt.date_trunc('minute', 'history.entered_at') }} as moved_minute
    from {{ ref('int_stage_history') }} as history
    inner join {{ ref('int_dated_deals') }} as deals
        on history.deal_id = deals.deal_id
    where
        history.is_last_in_minute
        and history.entered_at > cast(history.entered_at as date)
        and deals.sales_rep_id <> 'Unknown'
    group by 1, 2
    having count(*) >= {{ var('bulk_update_deals') }}
),

-- Closings are rows here, because they end a visit. Stages are numbers, so that only what orders tens of millions of rows is sorted,
-- and sets of stages are sums of powers of 2, so that one window tells which came before and after.
numbered as (
    select
        *,
        case when not is_closed then cast(power(2, stage_rank) as bigint) end as stage_bit
    from {{ ref('int_stage_history') }}
    where is_stage_change
),

changes as (
    select
        deal_id,
        stage_rank,
        stage_bit,
        is_closed,
        entered_at as recorded_at,
        row_number() over deal_changes as change_number,
        count(case when is_closed then 1 end) over (deal_changes rows unbounded preceding) as closing_count,
        bit_or(stage_bit) over (deal_changes rows between unbounded preceding and 1 preceding) as stages_before,
        bit_or(stage_bit) over (deal_changes rows between 1 following and unbounded following) as stages_after,
        lead(entered_at) over deal_changes as next_recorded_at,
        lead(stage_rank) over deal_changes as next_stage_rank,
        lead(is_closed) over deal_changes as is_next_closed,
        lead(stage_rank, 2) over deal_changes is null as has_at_most_one_after
    from numbered
    window deal_changes as (partition by deal_id order by history_number)
),

visits as (
    select
        changes.*,
        deals.is_open,
        deals.is_won,
        deals.created_at,
        deals.closed_at,
        deals.as_of_date,
        changes.next_stage_rank is null or (changes.is_next_closed and changes.has_at_most_one_after) as is_last,
        bulk_updates.sales_rep_id is not null as is_bulk_update
    from changes
    inner join {{ ref('int_dated_deals') }} as deals
        on changes.deal_id = deals.deal_id
    left join bulk_updates
        on
            deals.sales_rep_id = bulk_updates.sales_rep_id
            and {{ dbt.date_trunc('minute', 'changes.recorded_at') }} = bulk_updates.moved_minute
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

-- A set that holds a stage beyond this one is at least twice as large a number as the stage's own bit.
final as (
    select
        dated.deal_id,
        cast(dated.change_number - dated.closing_count as integer) as visit_number,
        cast(dated.closing_count + 1 as integer) as spell_number,
        int_stages.stage,
        dated.stage_rank,
        dated.next_stage_rank,
        dated.entered_at,
        dated.exited_at,
        case when dated.is_left_truncated then dated.recorded_at end as observed_from_at,
        cast({{ dbt.datediff('dated.entered_at', 'coalesce(dated.exited_at, dated.as_of_date)', 'day') }} as integer) as days_in_stage,
        dated.exited_at is null as is_censored,
        dated.is_left_truncated,
        dated.is_last,
        dated.is_won,
        coalesce(dated.stages_after & dated.stage_bit, 0) = 0 as is_latest,
        coalesce(dated.stages_before & dated.stage_bit, 0) > 0 as is_reentry,
        greatest(coalesce(dated.stages_before, 0), coalesce(dated.stages_after, 0)) < 2 * dated.stage_bit as is_furthest,
        coalesce(dated.stages_before, 0) >= 2 * dated.stage_bit as is_regression,
        (coalesce(dated.stages_before, 0) | dated.stage_bit) & late_stages.stage_bits > 0 as has_reached_late_stage,
        case
            when dated.is_left_truncated then 0
            else greatest(dated.stage_rank - coalesce(floor(log2(dated.stages_before)), 0) - 1, 0)
        end as skipped_stage_count,
        dated.is_bulk_update
    from dated
    inner join int_stages
        on dated.stage_rank = int_stages.stage_rank
    cross join late_stages
)

select * from final
