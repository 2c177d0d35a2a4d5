with

int_digests as (
    select * from {{ ref('int_digests') }}
),

sentences as (
    select
        digests.digest_key,
        sentences.topic,
        sentences.topic_order,
        sentences.verdict,
        sentences.row_text
    from int_digests as digests
    inner join {{ ref('int_digest_sentences') }} as sentences
        on
            digests.cadence = sentences.cadence
            or (sentences.cadence = 'both' and digests.cadence <> 'daily')
),

-- New ones come first. What was sent at once makes room for what only the digest tells. told_text is the sentence that the alert repeats.
open_alerts as (
    select
        digests.digest_key,
        alerts.alert_key,
        alerts.alert_rule_id,
        case when alerts.subject_type = 'deal' then coalesce(-alerts.deal_amount, 0) else -alerts.deal_amount end as amount_order,
        sentences.row_text as told_text,
        case when alerts.first_seen_date >= digests.period_start_date then 'new' else 'ongoing' end as verdict,
        case when alerts.first_seen_date >= digests.period_start_date then 1000 else 2000 end - 10 * alerts.severity_rank as row_order,
        case when alerts.first_seen_date >= digests.period_start_date and alerts.delivery = 'immediate' then 500 else 0 end as sent_order,
        case
            when alerts.first_seen_date >= digests.period_start_date then 'New'
            else 'Since ' || cast(alerts.first_seen_date as {{ dbt.type_string() }})
        end
        || ', ' || alerts.severity || ': ' || alerts.message
        || case digests.audience when 'rep' then '' else coalesce(' Rep: ' || alerts.rep_name || '.', '') end as row_text
    from int_digests as digests
    inner join {{ ref('fct_alerts') }} as alerts
        on {{ is_for_reader('alerts', 'digests') }}
    left join sentences
        on
            digests.digest_key = sentences.digest_key
            and {{ dbt.position('sentences.row_text', 'alerts.message') }} > 0
    where alerts.state <> 'resolved'
),

-- An alert that says what a sentence says stands in its place.
candidates as (
    select
        sentences.digest_key,
        'What changed' as section,
        sentences.topic,
        sentences.verdict,
        open_alerts.alert_key,
        open_alerts.amount_order,
        sentences.topic_order as row_order,
        0 as sent_order,
        coalesce(open_alerts.row_text, sentences.row_text) as row_text
    from sentences
    left join open_alerts
        on
            sentences.digest_key = open_alerts.digest_key
            and sentences.row_text = open_alerts.told_text

    union all

    select
        digests.digest_key,
        'Alerts' as section,
        coalesce(open_alerts.alert_rule_id, 'none') as topic,
        open_alerts.verdict,
        open_alerts.alert_key,
        open_alerts.amount_order,
        coalesce(open_alerts.row_order, 1000) as row_order,
        coalesce(open_alerts.sent_order, 0) as sent_order,
        coalesce(open_alerts.row_text, 'No alert is open.') as row_text
    from int_digests as digests
    left join open_alerts
        on digests.digest_key = open_alerts.digest_key
    where open_alerts.told_text is null
),

ranked as (
    select
        *,
        row_number() over (partition by digest_key order by row_order + sent_order, amount_order nulls first, row_text, alert_key) as place,
        count(*) over (partition by digest_key) as all_row_count
    from candidates
),

final as (
    select
        ranked.digest_key,
        digests.cadence,
        digests.audience,
        digests.recipient,
        digests.period_start_date,
        digests.period_end_date,
        cast(row_number() over (
            partition by ranked.digest_key order by ranked.row_order, ranked.amount_order nulls first, ranked.row_text, ranked.alert_key
        ) as integer) as row_number,
        ranked.section,
        ranked.topic,
        ranked.verdict,
        ranked.alert_key,
        ranked.row_text,
        '- ' || {{ escape_markdown('ranked.row_text') }} as row_markdown,
        ranked.all_row_count
    from ranked
    inner join int_digests as digests
        on ranked.digest_key = digests.digest_key
    where ranked.place <= {{ var('alert_cap') }}
)

select * from final
