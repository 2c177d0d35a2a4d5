-- What became of each alert, from build to build?
-- Which matches were silenced, and why?
-- One row a build, rule and status, with the reason: suppressed matches met their rule, but a more severe alert or a cool-down kept them from being raised. On a first build
-- nothing is ongoing or resolved yet.
-- May be empty: where no rule was ever met.
with

fct_alert_events as (
    select * from {{ ref('fct_alert_events') }}
    where input_name = {{ input_name_text() }}
),

final as (
    select
        as_of_date,
        alert_rule_id,
        title,
        severity,
        severity_rank,
        status,
        status_reason,
        count(*) as subject_count,
        sum(deal_amount) as deal_amount
    from fct_alert_events
    group by as_of_date, alert_rule_id, title, severity, severity_rank, status, status_reason
)

select * from final
order by as_of_date desc, severity_rank desc, alert_rule_id asc, status asc, status_reason asc
