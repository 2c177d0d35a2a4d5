with

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

int_replayed_rules as (
    select * from {{ ref('int_replayed_rules') }}
),

int_alert_rule_tests as (
    select * from {{ ref('int_alert_rule_tests') }}
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

int_closing_bounds as (
    select * from {{ ref('int_closing_bounds') }}
),

-- Why a rule can't be replayed from what is kept, without a build of each past week.
rated as (
    select
        rules.*,
        replayed.replay_start_date,
        replayed.replay_end_date,
        replayed.replay_date_count,
        replayed.observed_subject_count,
        replayed.fired_count,
        replayed.fired_subject_count,
        replayed.judged_count,
        replayed.happened_count,
        replayed.other_subject_count,
        replayed.happened_count * 1.0 / nullif(replayed.judged_count, 0) as happened_rate,
        replayed.expected_count / nullif(replayed.judged_count, 0) as base_rate,
        tests.difference,
        tests.difference_lower,
        tests.difference_upper,
        tests.difference_confidence_level,
        tests.z_value,
        case
            when rules.metric in ('segment_gap_pp', 'source_gap_pp', 'driver_swing_pp')
                then 'its verdict comes from tests over all deals known on a day: only builds as of each past day can replay it, python -m tools replay makes them'
            when rules.metric = 'calibration_error_pp'
                then 'a score is judged by deals that closed later: within a year that is once per test of rpt_score_quality, too few to judge a rule'
            when replayed.alert_rule_id is null and rules.is_score
                then 'no score has passed the test on later deals, so the rule would have said nothing'
            when replayed.alert_rule_id is null and rules.subject_type = 'deal'
                then 'the input doesn''t hold what the rule looks at, or no deals that were open long enough ago'
            when replayed.alert_rule_id is null then 'too few complete months, or, for deals created, no open deals in the input'
        end as missing_reason,
        case
            when rules.subject_type = 'deal' then 'the deal was lost or not won within ' || bounds.horizon_days || ' days'
            when rules.comparator in ('above', 'at_least') then 'the next month was not below what was expected of this one'
            else 'the next month was below what was expected of this one too'
        end as outcome
    from int_alert_rules as rules
    cross join int_closing_bounds as bounds
    left join int_replayed_rules as replayed
        on rules.alert_rule_id = replayed.alert_rule_id
    left join int_alert_rule_tests as tests
        on rules.alert_rule_id = tests.alert_rule_id
),

-- Several rules are looked at, so the limit is that of the charts. By the ends, so that no rounding sets verdict and interval apart.
judged as (
    select
        rated.*,
        {{ wilson('happened_rate', 'judged_count', 'normal_quantile', '-') }} as happened_rate_lower,
        {{ wilson('happened_rate', 'judged_count', 'normal_quantile', '+') }} as happened_rate_upper,
        case
            when rated.missing_reason is not null then 'not_computable'
            when least(rated.judged_count, rated.other_subject_count) < {{ var('min_segment_deals') }} then 'insufficient_n'
            when rated.difference_lower > 0 or rated.difference_upper < 0 then 'signal'
            else 'no_signal'
        end as verdict
    from rated
    cross join int_confidence_quantile
),

final as (
    select
        judged.alert_rule_id,
        judged.description as title,
        judged.metric,
        judged.comparator,
        judged.threshold,
        judged.above_amount,
        judged.replay_start_date,
        judged.replay_end_date,
        coalesce(judged.replay_date_count, 0) as replay_date_count,
        coalesce(judged.observed_subject_count, 0) as observed_subject_count,
        judged.fired_count,
        judged.fired_subject_count,
        case when judged.missing_reason is null then judged.outcome end as outcome,
        judged.judged_count,
        judged.happened_count,
        judged.happened_rate,
        judged.happened_rate_lower,
        judged.happened_rate_upper,
        judged.other_subject_count,
        judged.base_rate,
        judged.difference,
        judged.difference_lower,
        judged.difference_upper,
        judged.difference_confidence_level,
        judged.z_value,
        judged.verdict,
        judged.missing_reason,
        {{ rule_finding('judged') }} as finding,
        {{ rule_track_record('judged') }} as track_record
    from judged
)

select * from final
