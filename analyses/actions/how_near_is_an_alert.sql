-- What does each rule look at, and how many subjects meet it today?
-- What is nearest to an alert?
-- One row a rule. nearest_value is the value, of those that don't meet the rule, that is nearest to its threshold; a rule on a verdict (needs_signal) needs the signal besides. Rules without a row had nothing to
-- look at on this input, as the scores' rules where the gate is closed.
-- May be empty: where the input holds nothing that a rule looks at.
with

fct_alert_checks as (
    select * from {{ ref('fct_alert_checks') }}
),

ranked as (
    select
        *,
        row_number() over (partition by alert_rule_id, is_met order by abs(value - threshold), subject_id) as nearness
    from fct_alert_checks
),

final as (
    select
        alert_rule_id,
        title,
        metric,
        comparator,
        threshold,
        above_amount,
        needs_signal,
        count(*) as subject_count,
        sum(case when is_met then 1 else 0 end) as met_count,
        max(case when not is_met and nearness = 1 then subject_name end) as nearest_subject_name,
        max(case when not is_met and nearness = 1 then value end) as nearest_value
    from ranked
    group by alert_rule_id, title, metric, comparator, threshold, above_amount, needs_signal
)

select * from final
order by alert_rule_id
