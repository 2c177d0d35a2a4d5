{# What alert rules may look at. `needs_signal`: statistical, so a rule on it fires on the verdict and never on a raw difference;
   `is_score`: of a deal's score, so a closed gate has no value for it. #}
{% macro alert_metrics() %}
    {{ return({
        "risk_score": {"subject_type": "deal", "needs_signal": false, "is_score": true},
        "stalled_days": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "days_since_last_activity": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "days_overdue": {"subject_type": "deal", "needs_signal": false, "is_score": false},
        "win_rate_gap_pp": {"subject_type": "win_rate", "needs_signal": true, "is_score": false},
        "created_volume_change_rate": {"subject_type": "volume", "needs_signal": true, "is_score": false},
        "segment_gap_pp": {"subject_type": "segment", "needs_signal": true, "is_score": false},
        "source_gap_pp": {"subject_type": "lead_source", "needs_signal": true, "is_score": false},
        "driver_swing_pp": {"subject_type": "driver", "needs_signal": true, "is_score": false},
        "calibration_error_pp": {"subject_type": "score", "needs_signal": true, "is_score": true},
    }) }}
{% endmacro %}

{# Severities, the least first: a more severe alert silences the others of its subject. #}
{% macro alert_severities() %}
    {{ return(["low", "medium", "high", "critical"]) }}
{% endmacro %}

{# `'a', 'b'` of a list. #}
{% macro quoted_list(values) -%}
    {% for value in values %}'{{ value }}'{{ ", " if not loop.last }}{% endfor %}
{%- endmacro %}

{# Does the metric's value meet the rule's comparator and threshold? That a crossing was seen is asked elsewhere. #}
{% macro meets_threshold(value, rules) -%}
    case {{ rules }}.comparator
        when 'above' then {{ value }} > {{ rules }}.threshold
        when 'crosses_above' then {{ value }} > {{ rules }}.threshold
        when 'at_least' then {{ value }} >= {{ rules }}.threshold
        when 'below' then {{ value }} < {{ rules }}.threshold
        when 'at_most' then {{ value }} <= {{ rules }}.threshold
        else false
    end
{%- endmacro %}

{# Is `name` one of the words of a blank-separated list? #}
{% macro has_word(list, name) -%}
    ' ' || {{ list }} || ' ' like '% {{ name }} %'
{%- endmacro %}

{# Alerts of the demo don't meet those of the user's files in one database. #}
{% macro alert_source() -%}
    '{{ "files" if reads_files() else "demo" }}'
{%- endmacro %}


{# Text of the user, for others to read. One line, whatever was typed into it. #}
{% macro one_line(text) -%}
    trim(replace(replace(replace({{ text }}, chr(10), ' '), chr(13), ' '), chr(9), ' '))
{%- endmacro %}

{# What HTML and Slack read as markup. #}
{% macro escape_html(text) -%}
    replace(replace(replace({{ text }}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')
{%- endmacro %}

{# Text that Markdown, and the HTML made of it, show as it is. Not all dialects know a backslash before | and ~. #}
{% macro escape_markdown(text) -%}
    {%- set escaped = namespace(text=escape_html("replace(" ~ text ~ ", '\\', '\\\\')")) -%}
    {%- for mark in ['`', '*', '_', '[', ']', '#', '!'] -%}
        {%- set escaped.text = "replace(" ~ escaped.text ~ ", '" ~ mark ~ "', '\\" ~ mark ~ "')" -%}
    {%- endfor -%}
    replace(replace({{ escaped.text }}, '|', '&#124;'), '~', '&#126;')
{%- endmacro %}

{# At most `limit` characters of escaped text for Slack: cut before it is escaped, so that no entity is cut. One character becomes five at most. #}
{% macro slack_text(text, limit) -%}
    case
        when length({{ escape_html(text) }}) <= {{ limit }} then {{ escape_html(text) }}
        else {{ escape_html("left(" ~ text ~ ", " ~ (limit // 5 - 1) ~ ")") }} || '…'
    end
{%- endmacro %}

{# A text as a JSON string. #}
{% macro json_text(text) -%}
    {{ return(adapter.dispatch("json_text", "pipeline_intelligence")(text)) }}
{%- endmacro %}

{% macro default__json_text(text) -%}
    cast(to_json({{ text }}) as varchar)
{%- endmacro %}

{% macro is_json(text) -%}
    {{ return(adapter.dispatch("is_json", "pipeline_intelligence")(text)) }}
{%- endmacro %}

{% macro default__is_json(text) -%}
    json_valid({{ text }})
{%- endmacro %}

{# A block of Slack's Block Kit whose text is shown as it is: plain_text knows no markup, and no emoji. Slack takes 150 characters in a
   header and 3,000 in a section. #}
{% macro slack_block(type, text) -%}
    {%- set limit = 150 if type == "header" else 3000 -%}
    {%- set object = "'{\"type\": \"plain_text\", \"emoji\": false, \"text\": ' || " ~ json_text(slack_text(text, limit)) ~ " || '}'" -%}
    {%- if type == "context" -%}
    '{"type": "context", "elements": [' || {{ object }} || ']}'
    {%- else -%}
    '{"type": "{{ type }}", "text": ' || {{ object }} || '}'
    {%- endif -%}
{%- endmacro %}

{# '12,345' of an amount. #}
{% macro money(amount) -%}
    {{ return(adapter.dispatch("money", "pipeline_intelligence")(amount)) }}
{%- endmacro %}

{% macro default__money(amount) -%}
    format('{:,}', cast(round({{ amount }}) as bigint))
{%- endmacro %}

{# Ends the query with a message. #}
{% macro raise_message(message) -%}
    {{ return(adapter.dispatch("raise_message", "pipeline_intelligence")(message)) }}
{%- endmacro %}

{% macro default__raise_message(message) -%}
    error({{ message }})
{%- endmacro %}


{# How long a stalled deal has stood still: in its stage beyond the usual, or without any activity. 0 when it isn't stalled. #}
{% macro stalled_days(deals) -%}
    case when {{ deals }}.is_stalled is not null then greatest(
        case when {{ deals }}.days_in_stage > {{ deals }}.stall_threshold_days then {{ deals }}.days_in_stage else 0 end,
        case when {{ deals }}.days_since_last_activity >= {{ var('stall_inactivity_days') }} then {{ deals }}.days_since_last_activity else 0 end
    ) end
{%- endmacro %}

{# The metrics of an open deal, and what stands for each of them in words. #}
{% macro alert_deal_evidence() %}
    {% set activity = "coalesce('last activity on ' || cast(last_activity_date as " ~ dbt.type_string() ~ "), 'none since its creation')" %}
    {{ return({
        "risk_score": "'risk score ' || risk_score || ', win probability ' || " ~ percent("win_probability") ~ " || coalesce('; ' || reason, '.')",
        "stalled_days": "'stalled for ' || stalled_days || ' days'
            || case when days_in_stage > stall_threshold_days then '; ' || days_in_stage || ' days in its stage, where "
            ~ "%g" | format(100 * var("stall_quantile")) ~ " % of won deals stayed at most ' || stall_threshold_days else '' end
            || case when days_since_last_activity is null then '.' else '; ' || " ~ activity ~ " || '.' end",
        "days_since_last_activity": "'no activity for ' || days_since_last_activity || ' days; ' || " ~ activity ~ " || '.'",
        "days_overdue": "'expected to close on ' || cast(expected_close_date as " ~ dbt.type_string() ~ ") || ', ' || days_overdue || ' days ago'
            || coalesce('; pushed ' || push_count || case push_count when 1 then ' time' else ' times' end, '') || '.'",
    }) }}
{% endmacro %}

{# One row per metric and open deal of which it is known. #}
{% macro alert_deal_values(deals) %}
    {% for metric, evidence in alert_deal_evidence().items() -%}
    select
        '{{ metric }}' as metric,
        'deal' as subject_type,
        deal_id as subject_id,
        subject_name,
        cast({{ metric }} as double) as value,
        {{ "cast(previous_risk_score as double)" if metric == "risk_score" else "cast(null as double)" }} as previous_value,
        cast(null as boolean) as is_signal,
        deal_amount,
        sales_rep_id,
        subject_name || ' (' || deal_id || coalesce(', ' || {{ money('deal_amount') }}, '') || coalesce(', ' || stage, '') || '): '
        || {{ evidence }} as evidence
    from {{ deals }}
    where {{ metric }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}

{# The metrics that aren't of a deal: each a value, whether its verdict is a signal, and the sentence of its mart. #}
{% macro alert_company_values() %}
    {% set text = dbt.type_string() %}
    {% set metrics = [
        ("win_rate_gap_pp", "win_rate", "'all'", "'All deals'", "value", "is_signal", "null", "finding", "win_rates where recency = 1"),
        (
            "created_volume_change_rate", "volume", "'created_deals'", "'Created deals'", "value / nullif(expected_value, 0) - 1",
            "verdict = 'signal'", "null", volume_finding(),
            ref("int_volume_changes") ~ " where metric = 'created_deals' and period_type = 'month' and is_newest_period",
        ),
        (
            "segment_gap_pp", "segment", "segment_dimension || ': ' || segment_value", "segment_dimension || ' ' || segment_value",
            "100 * vs_rest_difference", "verdict = 'signal'", "case segment_dimension when 'sales_rep_id' then segment_value end", "finding",
            ref("rpt_segment_win_rates") ~ " where period = 'all' and second_segment_value is null and not is_known_only_after_close
            and segment_dimension not in ('all', 'lead_source')",
        ),
        (
            "source_gap_pp", "lead_source", "segment_value", "'lead_source ' || segment_value", "100 * abs(vs_rest_difference)",
            "verdict = 'signal'", "null", "finding", ref("rpt_segment_win_rates") ~ " where period = 'all' and segment_dimension = 'lead_source'",
        ),
        (
            "driver_swing_pp", "driver", "drivers.factor || ': ' || drivers.level", "drivers.factor || ' ' || drivers.level", "swing_pp",
            "is_sign_flip", "null", "finding", ref("rpt_win_rate_drivers") ~ " as drivers inner join (
                select factor, level, max(vs_others_pp) - min(vs_others_pp) as swing_pp from " ~ ref("rpt_win_rate_driver_half_years") ~ " group by factor, level
            ) as swings on drivers.factor = swings.factor and drivers.level = swings.level where not is_known_only_after_close and is_sign_flip is not null and swing_pp is not null",
        ),
        (
            "calibration_error_pp", "score", "'scores'", "'Deal scores'", "100 * mean_error",
            "calibration_slope_lower > 1 or calibration_slope_upper < 1 or calibration_intercept_lower > 0 or calibration_intercept_upper < 0",
            "null", "'Scores of deals created after the training were off by ' || " ~ one_decimal("100 * mean_error")
            ~ " || ' points on average. ' || finding", ref("rpt_score_quality") ~ " as quality inner join (
                select method, sum(weighted_deal_count * abs(predicted_win_rate - win_rate)) / sum(weighted_deal_count) as mean_error
                from " ~ ref("rpt_score_calibration") ~ " group by method
            ) as calibrations on quality.score_status = calibrations.method where fold = 'all' and score_status in ('model', 'table')",
        ),
    ] %}
    {% for metric, subject_type, subject_id, subject_name, value, is_signal, sales_rep_id, evidence, relation in metrics -%}
    select
        '{{ metric }}' as metric,
        '{{ subject_type }}' as subject_type,
        {{ subject_id }} as subject_id,
        {{ one_line(subject_name) }} as subject_name,
        cast({{ value }} as double) as value,
        cast(null as double) as previous_value,
        coalesce({{ is_signal }}, false) as is_signal,
        cast(null as decimal(18, 2)) as deal_amount,
        cast({{ sales_rep_id }} as {{ text }}) as sales_rep_id,
        {{ one_line(evidence) }} as evidence
    from {{ relation }}
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}

{# What a row of int_volume_changes says, in a sentence that claims no more than its verdict. #}
{% macro volume_finding() -%}
    case metric when 'created_deals' then 'Created' when 'closed_deals' then 'Closed' else 'Win rate of the deals closed' end
    || ' from ' || cast(period_start_date as {{ dbt.type_string() }}) || ' to ' || cast(period_end_date as {{ dbt.type_string() }}) || ': '
    || case metric
        when 'win_rate' then cast(cast(amount as bigint) as {{ dbt.type_string() }}) || ' of ' || cast(cast(size as bigint) as {{ dbt.type_string() }}) || ' won' || coalesce(', ' || {{ percent("value") }}, '')
        else cast(cast(amount as bigint) as {{ dbt.type_string() }}) || ' deals'
    end
    || case
        when previous_value is null or value is null then ''
        when value = previous_value then ', as in the ' || period_type || ' before'
        when metric = 'win_rate' then ', ' || {{ one_decimal("100 * abs(value - previous_value)") }} || ' points ' || case when value < previous_value then 'less' else 'more' end || ' than in the ' || period_type || ' before'
        else ', ' || cast(cast(abs(value - previous_value) as bigint) as {{ dbt.type_string() }}) || case when value < previous_value then ' fewer' else ' more' end || ' than in the ' || period_type || ' before'
    end
    || case
        when verdict = 'insufficient_n' then '; not judged: too few ' || period_type || 's or deals before.'
        else
            '; the {{ var("trend_min_baseline_periods") }} ' || period_type || 's before lead to '
            || case metric
                when 'win_rate' then {{ percent("expected_value") }} || ' ' || {{ interval("expected_lower", "expected_upper", 100) }}
                else {{ one_decimal("expected_value") }} || ' ' || {{ interval("expected_lower", "expected_upper") }}
            end
            || case verdict when 'signal' then ': more than chance.' else ': chance can explain it.' end
    end
{%- endmacro %}


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

{# Of fct_alert_events: what meets a rule today. Immediate alerts beyond the cap wait for the daily digest. #}
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
            when status = 'raised' and cadence = 'immediate' and raised_order > {{ var('alert_cap') }} then 'daily'
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


{# What a digest says beside its alerts: sentences that marts judge already, and the forecast, which claims no change. A relation, the digests
   it goes to, and its section's order. #}
{% macro digest_sentences() %}
    {% set pipeline %}
        open_deal_count || ' open deals hold ' || {{ money('raw_amount') }} || ' and are worth ' || {{ money('rapv_amount') }} || ' after their risk'
        || coalesce(' (80 % band ' || {{ money('yield_p10_amount') }} || ' to ' || {{ money('yield_p90_amount') }} || ').', '.')
    {% endset %}
    {% set newest_month = "qualify row_number() over (order by period_start_date desc) = 1" %}
    {% set sentences = [
        ("case period_type when 'week' then 'weekly' else 'monthly' end", "metric", "verdict", volume_finding(), ref("int_volume_changes") ~ " where is_newest_period"),
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


{# The same digest of the same period has the same key, whatever it says by then. #}
{% macro digest_key() -%}
    substr(md5(
        {{ alert_source() }} || '|' || cadence || '|' || audience || '|' || recipient || '|' || cast(period_end_date as {{ dbt.type_string() }})
    ), 1, 16)
{%- endmacro %}

{# What a digest is called. #}
{% macro digest_title() -%}
    case digests.audience
        when 'manager' then 'Daily alerts for ' || case digests.recipient when 'Unknown' then 'reps without a manager' else {{ one_line('digests.recipient') }} end
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
    || case digests.cadence when 'daily' then 'that day.' else 'in the period.' end
    || case when digests.hidden_row_count > 0 then ' Not shown: ' || digests.hidden_row_count || ' more, see fct_alerts.' else '' end
{%- endmacro %}

{# Why a rule can't be replayed from what is kept, without a build of each past week. #}
{% macro replay_missing_reason() -%}
    case
        when rules.metric in ('segment_gap_pp', 'source_gap_pp', 'driver_swing_pp')
            then 'its verdict comes from tests over all deals known on a day: only builds as of each past day can replay it, python -m tools replay makes them'
        when rules.metric = 'calibration_error_pp'
            then 'a score is judged by deals that closed later: within a year that is once per test of rpt_score_quality, too few to judge a rule'
        when counted.alert_rule_id is null and rules.is_score
            then 'no score has passed the test on later deals, so the rule would have said nothing'
        when counted.alert_rule_id is null and rules.subject_type = 'deal'
            then 'the input doesn''t hold what the rule looks at, or no year of mature deals'
        when counted.alert_rule_id is null then 'too few complete months'
    end
{%- endmacro %}

{# The rows of rpt_alert_rules_backtest. #}
{% macro alert_rule_backtest() -%}
    select
        alert_rule_id,
        description as title,
        metric,
        comparator,
        threshold,
        above_amount,
        replay_start_date,
        replay_end_date,
        coalesce(replay_date_count, 0) as replay_date_count,
        coalesce(observed_subject_count, 0) as observed_subject_count,
        fired_count,
        fired_subject_count,
        case when missing_reason is null then {{ replay_outcome() }} end as outcome,
        judged_count,
        happened_count,
        happened_rate,
        {{ wilson("happened_rate", "judged_count", "normal_quantile", "-") }} as happened_rate_lower,
        {{ wilson("happened_rate", "judged_count", "normal_quantile", "+") }} as happened_rate_upper,
        base_rate,
        z_value,
        {{ replay_verdict() }} as verdict,
        missing_reason,
        {{ replay_finding() }} as finding
    from judged
{%- endmacro %}

{% macro replay_outcome() -%}
    case subject_type when 'deal' then 'the deal was lost' else 'the next month was off in the same direction' end
{%- endmacro %}

{# Several rules are looked at, so the limit is that of the charts. #}
{% macro replay_verdict() -%}
    case
        when missing_reason is not null then 'not_computable'
        when judged_count < {{ var('min_segment_deals') }} then 'insufficient_n'
        when abs(z_value) > {{ var('trend_limit') }} then 'signal'
        else 'no_signal'
    end
{%- endmacro %}

{# What a row of rpt_alert_rules_backtest says, in a sentence that claims no more than its verdict. #}
{% macro replay_finding() -%}
    description || ': '
    || case
        when missing_reason is not null then 'not replayed, because ' || missing_reason || '.'
        else
            'fired ' || fired_count || case fired_count when 1 then ' time' else ' times' end
            || case subject_type when 'deal' then ' on ' || fired_subject_count || ' of ' || observed_subject_count || ' deals' else '' end
            || ' from ' || cast(replay_start_date as {{ dbt.type_string() }}) || ' to ' || cast(replay_end_date as {{ dbt.type_string() }})
            || case
                when judged_count = 0 then '.'
                else
                    '; in ' || {{ percent("happened_rate") }} || ' of ' || judged_count || ' cases '
                    || {{ interval(wilson("happened_rate", "judged_count", "normal_quantile", "-"), wilson("happened_rate", "judged_count", "normal_quantile", "+"), 100) }}
                    || ' ' || {{ replay_outcome() }} || ', against a base rate of ' || {{ percent("base_rate") }}
                    || case {{ replay_verdict() }}
                        when 'insufficient_n' then '; too few to judge.'
                        when 'signal' then '; more than chance.'
                        else '; chance can explain it.'
                    end
            end
    end
{%- endmacro %}
