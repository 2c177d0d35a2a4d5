with

fct_alert_events as (
    select events.*
    from {{ ref('fct_alert_events') }} as events
    cross join {{ ref('int_as_of') }} as int_as_of
    where
        events.input_name = {{ input_name_text() }}
        and events.alert_key is not null
        and events.as_of_date <= int_as_of.as_of_date
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

-- What was last known of an alert while it was one, and how it ended.
last_events as (
    select
        *,
        row_number() over (partition by alert_key, status = 'resolved' order by as_of_date desc) as recency
    from fct_alert_events
),

joined as (
    select
        seen.*,
        seen.as_of_date as last_seen_date,
        case when resolved.alert_key is not null then 'resolved' when seen.status = 'raised' then 'new' else 'ongoing' end as state,
        resolved.as_of_date as resolved_date,
        resolved.status_reason as resolved_reason,
        dim_reps.rep_name,
        dim_reps.manager,
        rules.verdict as rule_verdict,
        rules.track_record as rule_track_record,
        case
            when rules.verdict = 'no_signal' or (rules.verdict = 'signal' and rules.difference < 0)
                then ' Past warnings of this kind came true no more often than chance can explain.'
        end as warning_text
    from last_events as seen
    left join last_events as resolved
        on
            seen.alert_key = resolved.alert_key
            and resolved.status = 'resolved'
    left join dim_reps
        on seen.sales_rep_id = dim_reps.sales_rep_id
    left join {{ ref('rpt_alert_rules_backtest') }} as rules
        on seen.alert_rule_id = rules.alert_rule_id
    where
        seen.status <> 'resolved'
        and seen.recency = 1
),

worded as (
    select
        *,
        concat_ws(
            ', ',
            case when {{ has_word('audience', 'rep') }} then 'rep ' || sales_rep_id end,
            case when {{ has_word('audience', 'manager') }} then 'manager ' || manager end,
            case when {{ has_word('audience', 'cro') }} then 'cro' end,
            case when {{ has_word('audience', 'executive') }} then 'executive' end
        ) as recipients,
        upper(substr(severity, 1, 1)) || substr(severity, 2) || ', first seen on ' || cast(first_seen_date as {{ dbt.type_string() }})
        || coalesce('. Rep: ' || rep_name, '') || coalesce('. Manager: ' || manager, '') || '.' || coalesce(' ' || rule_track_record, '') as context
    from joined
),

final as (
    select
        alert_key,
        alert_rule_id,
        title,
        severity,
        severity_rank,
        cadence,
        delivery,
        metric,
        subject_type,
        subject_id,
        subject_name,
        state,
        first_seen_date,
        last_seen_date,
        cool_until_date,
        resolved_date,
        resolved_reason,
        value,
        threshold,
        deal_amount,
        audience,
        sales_rep_id,
        rep_name,
        manager,
        recipients,
        rule_verdict,
        rule_track_record,
        title || ': ' || message || coalesce(warning_text, '') as message,
        '{"text": ' || {{ json_text(slack_text("(title || ': ' || message || coalesce(warning_text, ''))", 3000)) }} || ', "blocks": ['
        || {{ slack_block("header", "title") }} || ', '
        || {{ slack_block("section", "message") }} || ', '
        || {{ slack_block("context", "context") }} || ']}' as slack_payload
    from worded
)

select * from final
