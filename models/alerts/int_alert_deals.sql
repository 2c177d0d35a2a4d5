-- A sample by hash, so that the work doesn't grow with the input.
with

int_replay_dates as (
    select * from {{ ref('int_replay_dates') }}
),

-- Deals that may have been open on one of the dates, each taken as created on the first day of its month. Where won and lost deals lack their
-- close date unequally often, those that have one tell nothing.
counted as (
    select sum(counts.deal_count) as deal_count
    from {{ ref('int_cohort_day_counts') }} as counts
    cross join (
        select
            min(int_replay_dates.replay_date) as first_date,
            max(int_replay_dates.replay_date) as last_date
        from int_replay_dates
    ) as ends
    where
        counts.cohort_month <= ends.last_date
        and (counts.outcome = 'Open' or counts.cohort_month + 30 + counts.age_days > ends.first_date)
        and not exists (
            select 1
            from {{ ref('int_missing_by_outcome') }} as missing
            where
                missing.problem = 'no_close_date'
                and missing.is_bending
        )
),

-- A deal is drawn by its own hash: the next build draws the same ones.
drawn as (
    select int_dated_deals.*
    from {{ ref('int_dated_deals') }} as int_dated_deals
    cross join counted
    where {{ hash_number('int_dated_deals.deal_id') }} * 1.0 * counted.deal_count < 4294967296.0 * {{ var('training_max_deals') }}
),

-- `case` keeps the planner from sorting all deals for a range join with a few dates.
final as (
    select
        drawn.deal_id,
        dates.replay_date,
        dates.is_replayed,
        drawn.created_date,
        drawn.expected_close_date,
        drawn.deal_amount,
        coalesce(drawn.is_won and drawn.closed_date <= dates.outcome_date, false) as is_won_in_time
    from drawn
    inner join int_replay_dates as dates
        on case when drawn.created_date <= dates.replay_date and (drawn.is_open or drawn.closed_date > dates.replay_date) then 1 else 0 end = 1
)

select * from final
