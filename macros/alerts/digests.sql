{# What a digest says beside its alerts: sentences that marts judge already, and the forecast, which claims no change. A relation, the digests
   it goes to, and its section's order. A month's win rate is judged by the chart. #}
{% macro digest_sentences() %}
    {% set pipeline %}
        open_deal_count || case open_deal_count when 1 then ' open deal holds ' else ' open deals hold ' end || {{ money('raw_amount') }}
        || coalesce(
            case open_deal_count when 1 then ' and is worth ' else ' and are worth ' end || {{ money('rapv_amount') }} || ' after '
            || case open_deal_count when 1 then 'its' else 'their' end || ' risk'
            || coalesce(' (80 % band ' || {{ money('yield_p10_amount') }} || ' to ' || {{ money('yield_p90_amount') }} || ')', ''),
            '; too little has closed to say what that is worth'
        ) || '.'
    {% endset %}
    {% set newest_month = "qualify row_number() over (order by period_start_date desc) = 1" %}
    {% set sentences = [
        (
            "case period_type when 'week' then 'weekly' else 'monthly' end", "metric", "verdict", volume_finding(),
            ref("int_volume_changes") ~ " where is_newest_period and (metric <> 'win_rate' or period_type = 'week')",
        ),
        (
            "'both'", "'win_rate_chart'", "verdict", "finding", ref("rpt_win_rate_trend") ~ " where basis = 'closed_date' and period_type = 'month'
            and not is_risk_adjusted and not is_partial_period " ~ newest_month,
        ),
        (
            "'monthly'", "'win_rate_change'", "verdict", "finding",
            ref("rpt_win_rate_change") ~ " where is_newest_period and period_type = 'month' and (segment_dimension = 'all' or verdict = 'signal')",
        ),
        ("'both'", "'pipeline'", "cast(null as " ~ dbt.type_string() ~ ")", pipeline, ref("rpt_pipeline_value") ~ " where segment_dimension = 'all'"),
        ("'monthly'", "'scores'", "verdict", "finding", ref("rpt_score_quality") ~ " where fold = 'all'"),
    ] %}
    {% for cadence, topic, verdict, text, relation in sentences -%}
    select
        {{ cadence }} as cadence,
        {{ topic }} as topic,
        {{ loop.index }} as topic_order,
        {{ verdict }} as verdict,
        {{ one_line(text) }} as row_text
    from {{ relation }}
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}

{# Who gets a digest, and of which period: once a week is over it is the same digest until the next one is. A rep without an open alert gets
   none; a manager's says that there is none. #}
{% macro digest_periods() %}
    select
        'daily' as cadence,
        readers.audience,
        readers.recipient,
        int_as_of.as_of_date as period_start_date,
        int_as_of.as_of_date as period_end_date
    from int_as_of
    cross join (
        select distinct 'manager' as audience, manager as recipient
        from dim_reps
        where deal_count > 0

        union all

        select distinct 'rep' as audience, sales_rep_id as recipient
        from fct_alerts
        where {{ has_word('audience', 'rep') }} and sales_rep_id is not null
    ) as readers
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
{% endmacro %}

{# Is an alert one of its digest's reader: of a rep's own deals, of a manager's team, or for all of the audience? #}
{% macro is_for_reader(alerts, digests) -%}
    {{ has_word(alerts ~ '.audience', "' || " ~ digests ~ ".audience || '") }}
    and {{ digests }}.recipient = case {{ digests }}.audience
        when 'rep' then {{ alerts }}.sales_rep_id
        when 'manager' then {{ alerts }}.manager
        else {{ digests }}.recipient
    end
{%- endmacro %}

{# An alert as a row of a digest. #}
{% macro digest_alert(alerts, digests) -%}
    case
        when {{ alerts }}.first_seen_date >= {{ digests }}.period_start_date then 'New'
        else 'Since ' || cast({{ alerts }}.first_seen_date as {{ dbt.type_string() }})
    end
    || ', ' || {{ alerts }}.severity || ': ' || {{ alerts }}.message
    || case {{ digests }}.audience when 'rep' then '' else coalesce(' Rep: ' || {{ alerts }}.rep_name || '.', '') end
{%- endmacro %}

{# The same digest of the same period has the same key, whatever it says by then. #}
{% macro digest_key() -%}
    substr(md5(
        {{ alert_source() }} || '|' || cadence || '|' || audience || '|' || recipient || '|' || cast(period_end_date as {{ dbt.type_string() }})
    ), 1, 16)
{%- endmacro %}

{# What a digest is called. #}
{% macro digest_title() -%}
    case digests.audience
        when 'rep' then 'Daily alerts for ' || {{ one_line('coalesce(dim_reps.rep_name, digests.recipient)') }}
        when 'manager' then 'Daily alerts for '
            || case digests.recipient when 'Unknown' then 'reps without a manager' else {{ one_line('digests.recipient') }} end
        when 'cro' then 'Weekly digest for the CRO'
        else 'Monthly digest for executives'
    end
    || ', ' || case
        when digests.period_start_date = digests.period_end_date then ''
        else cast(digests.period_start_date as {{ dbt.type_string() }}) || ' to '
    end
    || cast(digests.period_end_date as {{ dbt.type_string() }})
{%- endmacro %}

{# How many alerts it stands for, and how many it doesn't show. #}
{% macro digest_summary() -%}
    'As of ' || cast(int_as_of.as_of_date as {{ dbt.type_string() }}) || ': ' || alert_counts.open_alert_count
    || case alert_counts.open_alert_count when 1 then ' alert is open, ' else ' alerts are open, ' end
    || alert_counts.raised_alert_count || ' raised and ' || alert_counts.resolved_alert_count || ' resolved '
    || case digests.cadence when 'daily' then 'that day.' else 'since ' || cast(digests.period_start_date as {{ dbt.type_string() }}) || '.' end
    || case when digests.hidden_row_count > 0 then ' Not shown: ' || digests.hidden_row_count || ' more; fct_alerts lists all alerts.' else '' end
{%- endmacro %}
