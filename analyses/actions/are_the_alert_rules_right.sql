-- How often would each rule have fired in a year?
-- How often did what it warned of happen, against the base rate?
-- base_rate is how often it happened where the rule didn't warn; a rule whose verdict is no_signal warns of what happens as often without it. missing_reason says why a rule can't be
-- replayed.
with

rpt_alert_rules_backtest as (
    select * from {{ ref('rpt_alert_rules_backtest') }}
),

final as (
    select
        alert_rule_id,
        title,
        fired_count,
        fired_subject_count,
        observed_subject_count,
        replay_date_count,
        outcome,
        judged_count,
        happened_count,
        happened_rate,
        happened_rate_lower,
        happened_rate_upper,
        base_rate,
        difference,
        difference_lower,
        difference_upper,
        verdict,
        missing_reason,
        finding
    from rpt_alert_rules_backtest
)

select * from final
order by alert_rule_id
