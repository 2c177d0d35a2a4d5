with

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

int_replayed_rules as (
    select * from {{ ref('int_replayed_rules') }}
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
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
        replayed.happened_count * 1.0 / nullif(replayed.judged_count, 0) as happened_rate,
        replayed.expected_count / nullif(replayed.judged_count, 0) as base_rate,
        (replayed.happened_count - replayed.expected_count) / nullif(sqrt(replayed.variance), 0) as z_value,
        case
            when rules.metric in ('segment_gap_pp', 'source_gap_pp', 'driver_swing_pp')
                then 'its verdict comes from tests over all deals known on a day: only builds as of each past day can replay it, python -m tools replay makes them'
            when rules.metric = 'calibration_error_pp'
                then 'a score is judged by deals that closed later: within a year that is once per test of rpt_score_quality, too few to judge a rule'
            when replayed.alert_rule_id is null and rules.is_score
                then 'no score has passed the test on later deals, so the rule would have said nothing'
            when replayed.alert_rule_id is null and rules.subject_type = 'deal'
                then 'the input doesn''t hold what the rule looks at, or no year of mature deals'
            when replayed.alert_rule_id is null then 'too few complete months, or, for deals created, no open deals in the input'
        end as missing_reason,
        case
            when rules.subject_type = 'deal' then 'the deal was lost'
            when rules.comparator in ('above', 'at_least') then 'the next month was not below what was expected of this one'
            else 'the next month was below what was expected of this one too'
        end as outcome
    from int_alert_rules as rules
    left join int_replayed_rules as replayed
        on rules.alert_rule_id = replayed.alert_rule_id
),

-- Several rules are looked at, so the limit is that of the charts.
judged as (
    select
        rated.*,
        {{ wilson('happened_rate', 'judged_count', 'normal_quantile', '-') }} as happened_rate_lower,
        {{ wilson('happened_rate', 'judged_count', 'normal_quantile', '+') }} as happened_rate_upper,
        case
            when missing_reason is not null then 'not_computable'
            when judged_count < {{ var('min_segment_deals') }} then 'insufficient_n'
            when abs(z_value) > {{ var('trend_limit') }} then 'signal'
            else 'no_signal'
        end as verdict
    from rated
    cross join int_confidence_quantile
),

final as (
    select
        alert_rule_id,
        description as title,
        metric,
        comparator,
        threshold,
        above_amount,
        replay_start_date,
        replay_end_date,
        coalesce(replay_date_count, 0) as replay_date_count,
        coalesce(observed_subject_count, 0) as observed_subject_count,
        fired_count,
        fired_subject_count,
        case when missing_reason is null then outcome end as outcome,
        judged_count,
        happened_count,
        happened_rate,
        happened_rate_lower,
        happened_rate_upper,
        base_rate,
        z_value,
        verdict,
        missing_reason,
        description || ': '
        || case
            when missing_reason is not null then 'not replayed, because ' || missing_reason || '.'
            else
                'fired ' || fired_count || case fired_count when 1 then ' time' else ' times' end
                || case subject_type when 'deal' then ' on ' || fired_subject_count || ' of ' || observed_subject_count || ' deals' else '' end
                || ' from ' || cast(replay_start_date as {{ dbt.type_string() }}) || ' to ' || cast(replay_end_date as {{ dbt.type_string() }})
                || case
                    when judged_count = 0 then '.'
                    else
                        '; in ' || {{ percent('happened_rate') }} || ' of ' || judged_count || ' cases '
                        || {{ interval('happened_rate_lower', 'happened_rate_upper', 100) }}
                        || ' ' || outcome || ', against a base rate of ' || {{ percent('base_rate') }}
                        || case verdict
                            when 'insufficient_n' then '; too few to judge.'
                            when 'signal' then case when z_value > 0 then '; more than chance.' else '; less often than chance alone would have it.' end
                            else '; chance can explain it.'
                        end
                end
        end as finding
    from judged
)

select * from final
