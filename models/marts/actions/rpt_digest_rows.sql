-- noqa: disable=layout.indent
with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

fct_alerts as (
    select * from {{ ref('fct_alerts') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

managers as (
    select distinct manager
    from dim_reps
    where deal_count > 0
),

-- A digest stands for its period: once the week is over it is the same digest until the next one is.
digests as (
    select
        'daily' as cadence,
        'manager' as audience,
        managers.manager as recipient,
        int_as_of.as_of_date as period_start_date,
        int_as_of.as_of_date as period_end_date
    from int_as_of
    cross join managers
    {% for cadence, audience, period in [('weekly', 'cro', 'week'), ('monthly', 'executive', 'month')] %}
    {% set this_period = dbt.date_trunc(period, dbt.dateadd('day', 1, 'as_of_date')) %}

    union all

    select
        '{{ cadence }}' as cadence,
        '{{ audience }}' as audience,
        '{{ audience }}' as recipient,
        cast({{ dbt.dateadd(period, -1, this_period) }} as date) as period_start_date,
        cast({{ dbt.dateadd('day', -1, this_period) }} as date) as period_end_date
    from int_as_of
    {% endfor %}
),

sentences as (
    {{ digest_sentences() }}
),

-- The chart's row tells of a win-rate alarm already. What only this digest tells comes before what was sent already.
alert_rows as (
    select
        digests.*,
        'Alerts' as section,
        coalesce(fct_alerts.alert_rule_id, 'none') as topic,
        fct_alerts.state as verdict,
        fct_alerts.alert_key,
        case when fct_alerts.delivery = digests.cadence then 500.0 else 1000.0 end - 10 * coalesce(fct_alerts.severity_rank, 0) - case fct_alerts.state when 'new' then 5 else 0 end as row_order,
        fct_alerts.deal_amount,
        case fct_alerts.state when 'new' then 'New' else 'Since ' || cast(fct_alerts.first_seen_date as {{ dbt.type_string() }}) end
        || ', ' || fct_alerts.severity || ': ' || fct_alerts.message || coalesce(' Rep: ' || fct_alerts.rep_name || '.', '') as row_text
    from digests
    left join fct_alerts
        on
            {{ has_word('fct_alerts.audience', "' || digests.audience || '") }}
            and (digests.audience <> 'manager' or digests.recipient = fct_alerts.manager)
            and (digests.cadence = 'daily' or fct_alerts.subject_type <> 'win_rate')
            and fct_alerts.state <> 'resolved'
),

candidates as (
    select
        digests.*,
        'What changed' as section,
        sentences.topic,
        sentences.verdict,
        cast(null as {{ dbt.type_string() }}) as alert_key,
        1.0 * sentences.topic_order as row_order,
        cast(null as decimal(18, 2)) as deal_amount,
        sentences.row_text
    from digests
    inner join sentences
        on
            digests.cadence = sentences.cadence
            or (sentences.cadence = 'both' and digests.cadence <> 'daily')

    union all

    select * from alert_rows
),

ranked as (
    select
        *,
        {{ digest_key() }} as digest_key,
        cast(row_number() over (
            partition by cadence, recipient
            order by row_order, -deal_amount nulls first, topic, row_text, alert_key
        ) as integer) as row_number,
        count(*) over (partition by cadence, recipient) as all_row_count
    from candidates
),

final as (
    select
        {% for column in [
            'digest_key', 'cadence', 'audience', 'recipient', 'period_start_date', 'period_end_date', 'row_number', 'section', 'topic', 'verdict', 'alert_key',
        ] -%}
        {{ column }},
        {% endfor -%}
        coalesce(row_text, 'No alert is open.') as row_text,
        '- ' || {{ escape_markdown("coalesce(row_text, 'No alert is open.')") }} as row_markdown,
        all_row_count
    from ranked
    where row_number <= {{ var('alert_cap') }}
)

select * from final
