-- No two alerts of a subject are raised within the cool-down of the earlier one.
select
    later.alert_key,
    earlier.alert_key as earlier_alert_key
from {{ ref('fct_alerts') }} as later
inner join {{ ref('fct_alerts') }} as earlier
    on
        later.subject_type = earlier.subject_type
        and later.subject_id = earlier.subject_id
        and later.alert_key <> earlier.alert_key
where
    later.first_seen_date >= earlier.first_seen_date
    and later.first_seen_date < earlier.cool_until_date
