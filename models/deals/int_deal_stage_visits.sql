with

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
        case when not is_closed then cast(power(2, stage_rank) as hugeint) end as stage_bit
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
        coalesce(bit_or(stage_bit) over (deal_changes rows between unbounded preceding and 1 preceding), 0) as stages_before,
        coalesce(bit_or(stage_bit) over (deal_changes rows between 1 following and unbounded following), 0) as stages_after,
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
        stages.stage,
        stages.later_stage_bits,
        stages.skippable_stage_bits,
        stages.late_stage_bits,
        changes.stages_before & stages.skippable_stage_bits as stages_passed,
        deals.is_open,
        deals.is_won,
        deals.created_at,
        deals.closed_at,
        deals.as_of_date,
        changes.next_stage_rank is null or (changes.is_next_closed and changes.has_at_most_one_after) as is_last,
        bulk_updates.sales_rep_id is not null as is_bulk_update
    from changes
    inner join {{ ref('int_stage_sets') }} as stages
        on changes.stage_rank = stages.stage_rank
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

-- Of the stages that could be skipped, those beyond the highest one passed were. Without its neighbours a set has a logarithm that isn't rounded up.
final as (
    select
        deal_id,
        cast(change_number - closing_count as integer) as visit_number,
        cast(closing_count + 1 as integer) as spell_number,
        stage,
        stage_rank,
        next_stage_rank,
        entered_at,
        exited_at,
        case when is_left_truncated then recorded_at end as observed_from_at,
        cast({{ dbt.datediff('entered_at', 'coalesce(exited_at, as_of_date)', 'day') }} as integer) as days_in_stage,
        exited_at is null as is_censored,
        is_left_truncated,
        is_last,
        is_won,
        stages_after & stage_bit = 0 as is_latest,
        stages_before & stage_bit <> 0 as is_reentry,
        (stages_before | stages_after) & later_stage_bits = 0 as is_furthest,
        stages_before & later_stage_bits <> 0 as is_regression,
        (stages_before | stage_bit) & late_stage_bits <> 0 as has_reached_late_stage,
        case
            when is_left_truncated or stages_before & (stage_bit | later_stage_bits) <> 0 then 0
            when stages_passed = 0 then bit_count(skippable_stage_bits)
            else bit_count(skippable_stage_bits >> cast(floor(log2(stages_passed & ~(stages_passed >> 1))) + 1 as integer))
        end as skipped_stage_count,
        is_bulk_update
    from dated
)

select * from final
