with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

alert_values as (
    select * from {{ ref('int_deal_alert_values') }}

    union all by name

    select * from {{ ref('int_company_alert_values') }}
),

final as (
    select
        rules.alert_rule_id,
        found.subject_type,
        found.subject_id,
        found.subject_name,
        found.metric,
        rules.comparator,
        rules.threshold,
        rules.above_amount,
        found.value,
        found.previous_value,
        found.is_signal,
        {{ meets_threshold('found.value', 'rules') }}
        and (found.is_signal or not rules.needs_signal)
        and coalesce(found.deal_amount > rules.above_amount, rules.above_amount is null) as is_met,
        rules.needs_signal,
        rules.description as title,
        rules.severity,
        rules.severity_rank,
        rules.audience,
        rules.cadence,
        rules.cool_down_days,
        found.deal_amount,
        found.sales_rep_id,
        found.evidence as message,
        int_as_of.as_of_date
    from alert_values as found
    inner join int_alert_rules as rules
        on found.metric = rules.metric
    cross join int_as_of
)

select * from final
