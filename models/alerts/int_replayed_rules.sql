with

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

-- Of a deal whose value isn't known on a date stands what was known before; a month that wasn't judged isn't met.
int_alert_replays as (
    select * from {{ ref('int_alert_replays') }}
    where value is not null or base_date is null
),

-- Of a month it is known whether the next one was below: a rule that looks above warns of the opposite.
compared as (
    select
        replays.*,
        rules.alert_rule_id,
        rules.threshold,
        rules.comparator = 'crosses_above' as must_cross,
        replays.value is not null and (rules.above_amount is null or coalesce(replays.deal_amount > rules.above_amount, false)) as is_in_scope,
        {{ meets_threshold('replays.value', 'rules') }} and (replays.is_signal or not rules.needs_signal) as is_beyond,
        case
            when rules.subject_type <> 'deal' and rules.comparator in ('above', 'at_least') then not replays.has_happened
            else replays.has_happened
        end as has_come
    from int_alert_replays as replays
    inner join int_alert_rules as rules
        on replays.metric = rules.metric
),

-- Against all that the rule looks at: on the same day for deals, in the whole year for months.
met as (
    select
        *,
        coalesce(is_in_scope and is_beyond, false) as is_met,
        avg(case when is_in_scope and is_replayed then case when has_come then 1.0 when not has_come then 0.0 end end) over (
            partition by alert_rule_id, base_date
        ) as base_rate
    from compared
),

-- A rule fires when it is met and wasn't the time before; one that must be crossed needs a time before.
fired as (
    select
        *,
        is_replayed
        and is_met
        and not coalesce(lag(is_met) over times, false)
        and (not must_cross or coalesce(lag(value) over times <= threshold, false)) as is_fired
    from met
    window times as (partition by alert_rule_id, subject_id order by replay_date)
),

firings as (
    select
        *,
        case when base_date is null then cast(replay_date as {{ dbt.type_string() }}) else subject_id end as case_id,
        sum(case when is_fired then 1 else 0 end) over (
            partition by alert_rule_id, subject_id order by replay_date rows between unbounded preceding and current row
        ) as firing_number
    from fired
),

-- Deals count once, by the first time that the rule fired; months each time.
judged as (
    select
        *,
        is_fired and has_come is not null and (base_date is null or firing_number = 1) as is_judged
    from firings
    where is_replayed and value is not null
),

final as (
    select
        alert_rule_id,
        min(replay_date) as replay_start_date,
        max(replay_date) as replay_end_date,
        cast(count(distinct replay_date) as bigint) as replay_date_count,
        cast(count(distinct case when is_in_scope then case_id end) as bigint) as observed_subject_count,
        cast(sum(case when is_fired then 1 else 0 end) as bigint) as fired_count,
        cast(count(distinct case when is_fired then case_id end) as bigint) as fired_subject_count,
        cast(sum(case when is_judged then 1 else 0 end) as bigint) as judged_count,
        cast(sum(case when is_judged and has_come then 1 else 0 end) as bigint) as happened_count,
        sum(case when is_judged then base_rate end) as expected_count,
        sum(case when is_judged then base_rate * (1 - base_rate) end) as variance
    from judged
    group by alert_rule_id
)

select * from final
