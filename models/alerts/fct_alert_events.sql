{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}

with

fct_alert_checks as (
    select * from {{ ref('fct_alert_checks') }}
),

-- Events of the builds before; the first build finds none.
kept as (
    {%- if is_incremental() %}
    select * from {{ this }}
    where input_name = {{ input_name_text() }}
    {%- else %}
    select
        *,
        cast(null as {{ dbt.type_string() }}) as input_name,
        cast(null as {{ dbt.type_string() }}) as alert_key,
        cast(null as {{ dbt.type_string() }}) as status,
        cast(null as {{ dbt.type_string() }}) as status_reason,
        cast(null as {{ dbt.type_string() }}) as delivery,
        cast(null as date) as first_seen_date,
        cast(null as date) as cool_until_date
    from fct_alert_checks
    where false
    {%- endif %}
),

-- Only a day after all that is known: a replay, or the same build again, appends nothing.
today as (
    select
        int_as_of.as_of_date,
        newest.as_of_date as newest_date
    from {{ ref('int_as_of') }} as int_as_of
    cross join (select max(kept.as_of_date) as as_of_date from kept) as newest
    where newest.as_of_date is null or int_as_of.as_of_date > newest.as_of_date
),

previous as (
    select *
    from kept
    qualify as_of_date = max(as_of_date) over () and status <> 'resolved'
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
        history.deal_id,
        min(history.risk_score) as risk_score
    from {{ ref('fct_deal_score_history') }} as history
    inner join today
        on history.as_of_date between today.newest_date and today.as_of_date
    where
        history.input_name = {{ input_name_text() }}
        and history.score_status in ('model', 'table')
    group by history.deal_id
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
        on checks.alert_rule_id = previous.alert_rule_id and checks.subject_id = previous.subject_id
    left join cool_downs
        on checks.subject_type = cool_downs.subject_type and checks.subject_id = cool_downs.subject_id
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

-- A deal's immediate alerts beyond the cap wait for the daily digest. The company's come first, because it has no daily one.
met as (
    select
        * replace (
            case status
                when 'raised'
                    then substr(md5(concat_ws('|', {{ input_name_text() }}, alert_rule_id, subject_type, subject_id, cast(as_of_date as {{ dbt.type_string() }}))), 1, 16)
                else alert_key
            end as alert_key,
            case
                when status = 'ongoing' then delivery
                when
                    status = 'raised' and cadence = 'immediate' and subject_type = 'deal' and row_number() over (
                        partition by cadence, status order by subject_type = 'deal', -severity_rank, -deal_amount nulls last, subject_id
                    ) > {{ var('alert_cap') }}
                    then 'daily'
                when status = 'raised' then cadence
            end as delivery,
            case status when 'raised' then as_of_date else first_seen_date end as first_seen_date,
            case status when 'raised' then as_of_date + cool_down_days else cool_until_date end as cool_until_date
        ),
        {{ input_name_text() }} as input_name,
        case when status = 'suppressed' then case when is_cooling_down then 'cool_down' else 'more_severe_alert' end end as status_reason
    from decided
),

-- Alerts that went on until the build before and don't today, as they were then, and why they ended.
resolved as (
    select
        previous.* replace (
            today.as_of_date as as_of_date,
            'resolved' as status,
            checks.value as value,
            case
                when rules.alert_rule_id is null then 'rule_removed'
                when deals.outcome = 'Won' then 'deal_won'
                when deals.outcome = 'Lost' then 'deal_lost'
                when previous.subject_type = 'deal' and deals.deal_id is null then 'no_longer_in_data'
                when checks.value is null and rules.is_score then 'score_withheld'
                when checks.value is null then 'no_longer_known'
                when rules.needs_signal and not checks.is_signal then 'signal_ended'
                else 'condition_ended'
            end as status_reason
        )
    from previous
    cross join today
    left join {{ ref('int_alert_rules') }} as rules
        on previous.alert_rule_id = rules.alert_rule_id
    left join {{ ref('fct_deals') }} as deals
        on previous.subject_type = 'deal' and previous.subject_id = deals.deal_id
    left join fct_alert_checks as checks
        on previous.alert_rule_id = checks.alert_rule_id and previous.subject_id = checks.subject_id
    left join decided
        on previous.alert_key = decided.alert_key
    where previous.alert_key is not null and decided.alert_key is null
),

final as (
    select
        input_name,
        as_of_date,
        alert_key,
        status,
        status_reason,
        delivery,
        first_seen_date,
        cool_until_date,
        alert_rule_id,
        title,
        metric,
        subject_type,
        subject_id,
        subject_name,
        severity,
        severity_rank,
        audience,
        cadence,
        value,
        threshold,
        deal_amount,
        sales_rep_id,
        message
    from (
        select * from met

        union all by name

        select * from resolved
    ) as events
)

select * from final
