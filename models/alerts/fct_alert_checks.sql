-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_alert_rules as (
    select * from {{ ref('int_alert_rules') }}
),

-- A closed gate has no risk score to go by.
scores as (
    select
        scores.deal_id,
        scores.win_probability,
        case when scores.score_status in ('model', 'table') then scores.risk_score end as risk_score,
        {{ risk_score('(scores.win_probability - history.change_pp / 100)') }} as previous_risk_score,
        reasons.reason
    from {{ ref('fct_deal_scores') }} as scores
    cross join {{ ref('int_current_score_build') }} as int_current_score_build
    left join {{ ref('fct_deal_score_history') }} as history
        on
            scores.deal_id = history.deal_id
            and int_current_score_build.build_id = history.build_id
    left join {{ ref('fct_deal_score_reasons') }} as reasons
        on
            scores.deal_id = reasons.deal_id
            and reasons.is_shown
            and reasons.direction = 'down'
            and reasons.direction_rank = 1
),

deals as (
    select
        open_deals.*,
        {{ one_line('coalesce(open_deals.deal_name, open_deals.deal_id)') }} as subject_name,
        scores.risk_score,
        scores.previous_risk_score,
        scores.win_probability,
        scores.reason,
        {{ stalled_days('open_deals') }} as stalled_days,
        {{ dbt.datediff('open_deals.expected_close_date', 'open_deals.as_of_date', 'day') }} as days_overdue
    from {{ ref('fct_open_deals') }} as open_deals
    left join scores
        on open_deals.deal_id = scores.deal_id
),

-- The newest complete month on the chart; an alarm is of the side on which its value lies.
win_rates as (
    select
        {{ alert_months().win_rate_gap_pp.value }} as value,
        {{ alert_months().win_rate_gap_pp.is_signal }} as is_signal,
        finding,
        row_number() over (order by period_start_date desc) as recency
    from {{ ref('rpt_win_rate_trend') }}
    where
        basis = 'closed_date'
        and period_type = 'month'
        and not is_risk_adjusted
        and not is_partial_period
),

found as (
    {{ alert_deal_values('deals') }}

    union all

    {{ alert_company_values() }}
),

final as (
    select
        rules.alert_rule_id,
        found.subject_type,
        found.subject_id,
        found.subject_name,
        found.metric,
        rules.comparator,
        rules.threshold,
        rules.above_amount,
        found.value,
        found.previous_value,
        found.is_signal,
        {{ meets_threshold('found.value', 'rules') }}
        and (found.is_signal or not rules.needs_signal)
        and (found.deal_amount > rules.above_amount or rules.above_amount is null) as is_met,
        rules.needs_signal,
        rules.description as title,
        rules.severity,
        rules.severity_rank,
        rules.audience,
        rules.cadence,
        rules.cool_down_days,
        found.deal_amount,
        found.sales_rep_id,
        found.evidence as message,
        int_as_of.as_of_date
    from found
    inner join int_alert_rules as rules
        on found.metric = rules.metric
    cross join int_as_of
)

select * from final
