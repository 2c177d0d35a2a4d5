-- noqa: disable=layout.indent
with

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

int_alert_replays as (
    select * from {{ ref('int_alert_replays') }}
    where value is not null
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

-- What came of all that could be warned of: on the same day for deals, in the whole year for months.
bases as (
    select
        metric,
        base_date,
        avg(case when has_happened then 1.0 when not has_happened then 0.0 end) as base_rate
    from int_alert_replays
    group by metric, base_date
),

compared as (
    select
        rules.alert_rule_id,
        replays.*,
        bases.base_rate,
        {{ meets_threshold('replays.value', 'rules') }}
        and (replays.is_signal or not rules.needs_signal)
        and (replays.deal_amount > rules.above_amount or rules.above_amount is null) as is_met,
        rules.comparator = 'crosses_above' as must_cross
    from int_alert_replays as replays
    inner join int_alert_rules as rules
        on replays.metric = rules.metric
    inner join bases
        on
            replays.metric = bases.metric
            and (replays.base_date = bases.base_date or (replays.base_date is null and bases.base_date is null))
),

-- A rule fires when it is met and wasn't the time before; one that must be crossed needs a time before.
fired as (
    select
        *,
        coalesce(is_met, false) and not coalesce(lag(is_met) over times, must_cross and lag(value) over times is null) as is_fired
    from compared
    window times as (partition by alert_rule_id, subject_id order by replay_date)
),

-- Deals count once, by the first time that it fired.
firings as (
    select
        *,
        sum(case when is_fired then 1 else 0 end) over (
            partition by alert_rule_id, subject_id order by replay_date rows between unbounded preceding and current row
        ) as firing_number
    from fired
),

counted as (
    select
        alert_rule_id,
        min(replay_date) as replay_start_date,
        max(replay_date) as replay_end_date,
        cast(count(distinct replay_date) as bigint) as replay_date_count,
        cast(count(distinct subject_id) as bigint) as observed_subject_count,
        cast(sum(case when is_fired then 1 else 0 end) as bigint) as fired_count,
        cast(count(distinct case when is_fired then subject_id end) as bigint) as fired_subject_count,
        cast(sum(case when is_judged then 1 else 0 end) as bigint) as judged_count,
        cast(sum(case when is_judged and has_happened then 1 else 0 end) as bigint) as happened_count,
        sum(case when is_judged then base_rate end) as expected_count,
        sum(case when is_judged then base_rate * (1 - base_rate) end) as variance
    from (
        select
            *,
            is_fired and has_happened is not null and (base_date is null or firing_number = 1) as is_judged
        from firings
    ) as firings
    group by alert_rule_id
),

judged as (
    select
        rules.*,
        {% for column in [
            'replay_start_date', 'replay_end_date', 'replay_date_count', 'observed_subject_count', 'fired_count', 'fired_subject_count', 'judged_count', 'happened_count',
        ] -%}
        counted.{{ column }},
        {% endfor -%}
        quantiles.normal_quantile,
        counted.happened_count * 1.0 / nullif(counted.judged_count, 0) as happened_rate,
        counted.expected_count / nullif(counted.judged_count, 0) as base_rate,
        (counted.happened_count - counted.expected_count) / nullif(sqrt(counted.variance), 0) as z_value,
        {{ replay_missing_reason() }} as missing_reason
    from int_alert_rules as rules
    cross join int_confidence_quantile as quantiles
    left join counted
        on rules.alert_rule_id = counted.alert_rule_id
),

final as (
    {{ alert_rule_backtest() }}
)

select * from final
