-- noqa: disable=layout.indent
{% set about = ['cadence', 'audience', 'recipient', 'period_start_date', 'period_end_date'] %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

fct_alerts as (
    select * from {{ ref('fct_alerts') }}
    where state <> 'resolved'
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

digests as (
    {{ digest_periods() }}
),

changes as (
    select
        digests.*,
        sentences.topic,
        sentences.topic_order,
        sentences.verdict,
        sentences.row_text
    from digests
    inner join ({{ digest_sentences() }}) as sentences
        on
            digests.cadence = sentences.cadence
            or (sentences.cadence = 'both' and digests.cadence <> 'daily')
),

-- New ones come first. What was sent at once makes room for what only the digest tells.
open_alerts as (
    select
        digests.audience,
        digests.recipient,
        fct_alerts.alert_key,
        fct_alerts.alert_rule_id,
        fct_alerts.deal_amount,
        changes.row_text as told_text,
        {{ digest_alert('fct_alerts', 'digests') }} as row_text,
        case when fct_alerts.first_seen_date >= digests.period_start_date then 'new' else 'ongoing' end as verdict,
        case when fct_alerts.first_seen_date >= digests.period_start_date then 1000 else 2000 end - 10 * fct_alerts.severity_rank as row_order,
        case when fct_alerts.first_seen_date >= digests.period_start_date and fct_alerts.delivery = 'immediate' then 500 else 0 end as sent_order
    from digests
    inner join fct_alerts
        on {{ is_for_reader('fct_alerts', 'digests') }}
    left join changes
        on
            digests.audience = changes.audience
            and {{ dbt.position('changes.row_text', 'fct_alerts.message') }} > 0
),

-- An alert that says what a sentence says stands in its place.
candidates as (
    select
        {% for column in about + ['topic', 'verdict'] -%}
        changes.{{ column }},
        {% endfor -%}
        'What changed' as section,
        changes.topic_order as row_order,
        0 as sent_order,
        open_alerts.alert_key,
        open_alerts.deal_amount,
        coalesce(open_alerts.row_text, changes.row_text) as row_text
    from changes
    left join open_alerts
        on
            changes.audience = open_alerts.audience
            and changes.row_text = open_alerts.told_text

    union all

    select
        digests.*,
        coalesce(open_alerts.alert_rule_id, 'none') as topic,
        open_alerts.verdict,
        'Alerts' as section,
        coalesce(open_alerts.row_order, 1000) as row_order,
        coalesce(open_alerts.sent_order, 0) as sent_order,
        open_alerts.alert_key,
        open_alerts.deal_amount,
        coalesce(open_alerts.row_text, 'No alert is open.') as row_text
    from digests
    left join open_alerts
        on
            digests.audience = open_alerts.audience
            and digests.recipient = open_alerts.recipient
    where open_alerts.told_text is null
),

ranked as (
    select
        *,
        {{ digest_key() }} as digest_key,
        '- ' || {{ escape_markdown('row_text') }} as row_markdown,
        row_number() over (partition by audience, recipient order by row_order + sent_order, -deal_amount nulls first, row_text, alert_key) as place,
        count(*) over (partition by audience, recipient) as all_row_count
    from candidates
),

final as (
    select
        digest_key,
        cast(row_number() over (partition by audience, recipient order by row_order, -deal_amount nulls first, row_text, alert_key) as integer) as row_number,
        {% for column in about + ['section', 'topic', 'verdict', 'alert_key', 'row_text', 'row_markdown'] -%}
        {{ column }},
        {% endfor -%}
        all_row_count
    from ranked
    where place <= {{ var('alert_cap') }}
)

select * from final
