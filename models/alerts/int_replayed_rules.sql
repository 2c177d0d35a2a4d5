with

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
        replays.has_happened <> (rules.subject_type <> 'deal' and rules.comparator in ('above', 'at_least')) as has_come
    from int_alert_replays as replays
    inner join {{ ref('int_alert_rules') }} as rules
        on replays.metric = rules.metric
),

met as (
    select
        *,
        coalesce(is_in_scope and is_beyond, false) as is_met
    from compared
),

-- A rule fires when it is met and wasn't the time before; one that must be crossed needs a time before.
fired as (
    select
        *,
        case when base_date is null then cast(replay_date as {{ dbt.type_string() }}) else subject_id end as case_id,
        is_replayed and is_in_scope and not is_met and has_come is not null as is_other,
        is_replayed and is_met
        and not coalesce(lag(is_met) over times, false)
        and (not must_cross or coalesce(lag(value) over times <= threshold, false)) as is_fired
    from met
    window times as (partition by alert_rule_id, subject_id order by replay_date)
),

-- Against the others that the rule looks at and isn't met by: on the same day for deals, in the whole year for months.
firings as (
    select
        *,
        count(case when is_other then 1 end) over others as other_count,
        avg(case when is_other then case when has_come then 1.0 else 0.0 end end) over others as other_rate,
        sum(case when is_fired then 1 else 0 end) over (partition by alert_rule_id, subject_id order by replay_date rows unbounded preceding) as firing_number
    from fired
    window others as (partition by alert_rule_id, base_date)
),

-- Deals count once, by the first time that the rule fired; months each time.
judged as (
    select
        *,
        is_fired and has_come is not null and other_count > 0 and (base_date is null or firing_number = 1) as is_judged
    from firings
    where is_replayed and value is not null
),

-- Each of a day's others weighs as many cases as the day has, divided by the number of others.
weighed as (
    select
        *,
        case when is_other then count(case when is_judged then 1 end) over (partition by alert_rule_id, base_date) * 1.0 / other_count end as other_weight
    from judged
),

-- A deal is among the others on several days, and may fire later: all that it does to the difference counts together.
cases as (
    select
        alert_rule_id,
        case_id,
        max(case when is_in_scope then 1 else 0 end) as observed_count,
        sum(case when is_fired then 1 else 0 end) as fired_count,
        sum(case when is_judged then 1 else 0 end) as judged_count,
        sum(case when is_judged and has_come then 1 else 0 end) as happened_count,
        sum(case when is_judged then other_rate end) as expected_count,
        max(case when other_weight > 0 then 1 else 0 end) as other_count,
        sum(case when is_judged then 1 else 0 end) - coalesce(sum(other_weight), 0) as case_weight,
        sum(power(other_weight, 2)) as day_squares
    from weighed
    group by alert_rule_id, case_id
),

dates as (
    select
        alert_rule_id,
        min(replay_date) as replay_start_date,
        max(replay_date) as replay_end_date,
        count(distinct replay_date) as replay_date_count
    from judged
    group by alert_rule_id
),

final as (
    select
        dates.alert_rule_id,
        dates.replay_start_date,
        dates.replay_end_date,
        cast(dates.replay_date_count as bigint) as replay_date_count,
        cast(sum(cases.observed_count) as bigint) as observed_subject_count,
        cast(sum(cases.fired_count) as bigint) as fired_count,
        cast(count(case when cases.fired_count > 0 then 1 end) as bigint) as fired_subject_count,
        cast(sum(cases.judged_count) as bigint) as judged_count,
        cast(sum(cases.happened_count) as bigint) as happened_count,
        round(sum(cases.expected_count), 9) as expected_count,
        cast(sum(cases.other_count) as bigint) as other_subject_count,
        round(sum(power(cases.case_weight, 2)), 9) as deal_squares,
        round(sum(cases.day_squares), 9) as day_squares
    from dates
    inner join cases
        on dates.alert_rule_id = cases.alert_rule_id
    group by dates.alert_rule_id, dates.replay_start_date, dates.replay_end_date, dates.replay_date_count
)

select * from final
