-- Which alerts are open, and since when?
-- Who must hear of them?
-- The most severe first. A subject has one alert in a cool-down, of the most severe rule it meets; what was silenced stands in fct_alert_events. Alerts of statistical rules fire on a
-- verdict. message says what was seen, rule_track_record how often such warnings came true.
-- May be empty: where no rule is met.
with

fct_alerts as (
    select * from {{ ref('fct_alerts') }}
    where state <> 'resolved'
),

final as (
    select
        severity,
        severity_rank,
        title,
        state,
        first_seen_date,
        last_seen_date,
        subject_type,
        subject_id,
        subject_name,
        deal_amount,
        rep_name,
        manager,
        recipients,
        message,
        rule_track_record
    from fct_alerts
)

select * from final
order by severity_rank desc, deal_amount desc, title asc, subject_id asc
