{# The columns of fct_alert_events, without a row: what the first build finds. #}
{% macro no_alert_events() %}
    {% set types = {
        dbt.type_string(): [
            'alert_source', 'alert_key', 'alert_rule_id', 'title', 'metric', 'subject_type', 'subject_id', 'subject_name', 'status', 'status_reason',
            'severity', 'audience', 'cadence', 'delivery', 'sales_rep_id', 'message',
        ],
        'date': ['as_of_date', 'first_seen_date', 'cool_until_date'],
        'double': ['value', 'threshold'],
        'integer': ['severity_rank'],
        'decimal(18, 2)': ['deal_amount'],
    } %}
    select
        {% for type, columns in types.items() -%}
            {%- set last = loop.last -%}
            {%- for column in columns -%}
                cast(null as {{ type }}) as {{ column }}{{ "," if not (last and loop.last) }}
            {% endfor -%}
        {%- endfor %}
    from {{ ref('int_as_of') }}
    where false
{% endmacro %}

{# Of fct_alert_events: what meets a rule today. Immediate alerts beyond the cap wait for the daily digest, which only deals have. #}
{% macro kept_alert_matches(about) -%}
    select
        {{ alert_source() }} as alert_source,
        as_of_date,
        case status
            when 'raised' then substr(md5(
                {{ alert_source() }} || '|' || alert_rule_id || '|' || subject_type || '|' || subject_id || '|' || cast(as_of_date as {{ dbt.type_string() }})
            ), 1, 16)
            else alert_key
        end as alert_key,
        status,
        case when status = 'suppressed' then case when is_cooling_down then 'cool_down' else 'more_severe_alert' end end as status_reason,
        case
            when status = 'ongoing' then delivery
            when status = 'raised' and cadence = 'immediate' and subject_type = 'deal' and raised_order > {{ var('alert_cap') }} then 'daily'
            when status = 'raised' then cadence
        end as delivery,
        case status when 'raised' then as_of_date else first_seen_date end as first_seen_date,
        case status when 'raised' then cast({{ dbt.dateadd('day', 'cool_down_days', 'as_of_date') }} as date) else cool_until_date end as cool_until_date,
        {{ about | join(', ') }}
    from capped
{%- endmacro %}

{# Of fct_alert_events: alerts that went on until the build before and don't today, and why. #}
{% macro resolved_alerts(about) -%}
    select
        previous.alert_source,
        today.as_of_date,
        previous.alert_key,
        'resolved' as status,
        case
            when rules.alert_rule_id is null then 'rule_removed'
            when deals.outcome = 'Won' then 'deal_won'
            when deals.outcome = 'Lost' then 'deal_lost'
            when previous.subject_type = 'deal' and deals.deal_id is null then 'no_longer_in_data'
            when checks.value is null and rules.is_score then 'score_withheld'
            when checks.value is null then 'no_longer_known'
            when rules.needs_signal and not checks.is_signal then 'signal_ended'
            else 'condition_ended'
        end as status_reason,
        previous.delivery,
        previous.first_seen_date,
        previous.cool_until_date,
        {% for column in about -%}
        {{ "checks.value" if column == "value" else "previous." ~ column }}{{ "," if not loop.last }}
        {% endfor -%}
    from previous
    cross join today
    left join {{ ref('int_alert_rules') }} as rules
        on previous.alert_rule_id = rules.alert_rule_id
    left join {{ ref('fct_deals') }} as deals
        on
            previous.subject_type = 'deal'
            and previous.subject_id = deals.deal_id
    left join fct_alert_checks as checks
        on
            previous.alert_rule_id = checks.alert_rule_id
            and previous.subject_id = checks.subject_id
    left join decided
        on previous.alert_key = decided.alert_key
    where
        previous.alert_key is not null
        and decided.alert_key is null
{%- endmacro %}

{# 'rep R07, manager Ines Alder, cro' of an alert's audience: company-wide alerts have no rep. #}
{% macro alert_recipients() -%}
    concat_ws(
        ', ',
        case when {{ has_word('audience', 'rep') }} then 'rep ' || sales_rep_id end,
        case when {{ has_word('audience', 'manager') }} then 'manager ' || manager end,
        case when {{ has_word('audience', 'cro') }} then 'cro' end,
        case when {{ has_word('audience', 'executive') }} then 'executive' end
    )
{%- endmacro %}
