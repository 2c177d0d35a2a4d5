-- noqa: disable=layout.indent
{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}
{% set about = [
    'alert_rule_id', 'title', 'metric', 'subject_type', 'subject_id', 'subject_name', 'severity', 'severity_rank', 'audience', 'cadence', 'value',
    'threshold', 'deal_amount', 'sales_rep_id', 'message',
] %}

with

fct_alert_checks as (
    select * from {{ ref('fct_alert_checks') }}
),

kept as (
    {%- if is_incremental() %}
    select * from {{ this }}
    where alert_source = {{ alert_source() }}
    {%- else -%}
    {{ no_alert_events() }}
    {%- endif %}
),

-- Only a day after all that is known: a replay, or the same build again, appends nothing.
today as (
    select int_as_of.as_of_date
    from {{ ref('int_as_of') }} as int_as_of
    where int_as_of.as_of_date > (select coalesce(max(kept.as_of_date), cast('0001-01-01' as date)) from kept)
),

previous as (
    select *
    from kept
    where
        as_of_date = (select max(newest.as_of_date) from kept as newest)
        and status <> 'resolved'
),

cool_downs as (
    select
        subject_type,
        subject_id,
        max(cool_until_date) as until_date
    from kept
    where status = 'raised'
    group by subject_type, subject_id
),

-- From the newest events to today, so that no build that kept none hides a crossing. A withheld score is none.
lowest_scores as (
    select
        deal_id,
        min(risk_score) as risk_score
    from {{ ref('fct_deal_score_history') }}
    where score_status in ('model', 'table')
        and as_of_date between (select max(newest.as_of_date) from kept as newest) and (select today.as_of_date from today)
    group by deal_id
),

-- Who is above a threshold that must be crossed was not above it since the newest events, or has been a match ever since.
matches as (
    select
        checks.*,
        previous.alert_key,
        previous.first_seen_date,
        previous.cool_until_date,
        previous.delivery,
        coalesce(cool_downs.until_date > checks.as_of_date, false) as is_cooling_down,
        row_number() over (
            partition by checks.subject_type, checks.subject_id
            order by -checks.severity_rank, previous.alert_key is null, checks.alert_rule_id
        ) as severity_order,
        max(case when previous.alert_key is not null then checks.severity_rank else 0 end) over (
            partition by checks.subject_type, checks.subject_id
        ) as ongoing_rank
    from fct_alert_checks as checks
    inner join today
        on checks.as_of_date = today.as_of_date
    left join previous
        on
            checks.alert_rule_id = previous.alert_rule_id
            and checks.subject_id = previous.subject_id
    left join cool_downs
        on
            checks.subject_type = cool_downs.subject_type
            and checks.subject_id = cool_downs.subject_id
    left join lowest_scores
        on checks.subject_id = lowest_scores.deal_id
    where
        checks.is_met
        and (checks.comparator <> 'crosses_above' or lowest_scores.risk_score <= checks.threshold or previous.alert_rule_id is not null)
),

-- One new alert of a subject: of the most severe rule, if none was raised within its cool-down and none as severe goes on.
decided as (
    select
        *,
        case
            when alert_key is not null then 'ongoing'
            when is_cooling_down or ongoing_rank >= severity_rank or severity_order > 1 then 'suppressed'
            else 'raised'
        end as status
    from matches
),

capped as (
    select
        *,
        row_number() over (partition by cadence, status order by subject_type = 'deal', -severity_rank, -deal_amount nulls first, subject_id) as raised_order
    from decided
),

final as (
    {{ kept_alert_matches(about) }}

    union all

    {{ resolved_alerts(about) }}
)

select * from final
