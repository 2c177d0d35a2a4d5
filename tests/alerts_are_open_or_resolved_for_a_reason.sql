-- An open alert was last seen by the newest build that is kept; a resolved one says when and why.
select
    alerts.alert_key,
    alerts.state
from {{ ref('fct_alerts') }} as alerts
cross join (select max(kept.last_seen_date) as last_seen_date from {{ ref('fct_alerts') }} as kept) as newest
where
    (alerts.state = 'resolved') <> (alerts.resolved_date is not null and alerts.resolved_reason is not null)
    or (alerts.state = 'new') <> (alerts.first_seen_date = alerts.last_seen_date and alerts.resolved_date is null)
