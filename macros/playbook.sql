{# Facts of an open deal that a play can be keyed by, as column expressions over fct_open_deals. int_flagged_deals replays the same ones. #}
{% macro fact_triggers() %}
    {{ return({
        'days_since_last_activity': 'days_since_last_activity',
        'days_in_stage': 'days_in_stage',
        'days_over_stall_limit': 'days_in_stage - stall_threshold_days',
        'days_overdue': dbt.datediff('expected_close_date', 'as_of_date', 'day'),
        'push_count': 'push_count',
        'days_since_last_update': 'days_since_last_update',
    }) }}
{% endmacro %}


{# Is the deal never offered an action, so that those that are can be compared with it? Its id alone decides, so no build and no day changes it. #}
{% macro is_holdout(deal_id) -%}
    {{ hash_number("'" ~ var('holdout_seed') | replace("'", "''") ~ "' || " ~ deal_id) }} % 100 < {{ var('holdout_percent') }}
{%- endmacro %}


{# Why a row of the playbook can't be used, or null: over columns that are text. #}
{% macro play_problem() %}
{%- set factors = var('score_factors') | selectattr('can_rep_change', 'defined') | selectattr('can_rep_change') | map(attribute='factor') | list -%}
case
    when play_id is null then 'play_id is blank'
    when count(*) over (partition by play_id) > 1 then 'play_id stands in it twice'
    {% for column in ['action_id', 'action_text', 'rationale'] -%}
    when {{ column }} is null then '{{ column }} is blank'
    {% endfor -%}
    when coalesce(trigger_kind, '') not in ('fact', 'reason') then 'trigger_kind is neither fact nor reason'
    when trigger_kind = 'fact' and coalesce(trigger_name, '') not in ('{{ fact_triggers() | join("', '") }}')
        then 'trigger_name is none of the facts {{ fact_triggers() | join(", ") }}'
    when trigger_kind = 'reason' and coalesce(trigger_name, '') not in ('{{ factors | join("', '") }}')
        then 'trigger_name is none of the score_factors that a rep can change, {{ factors | join(", ") }}'
    when trigger_kind = 'fact' and coalesce({{ try_cast('threshold', 'double') }} % 1, 1) <> 0 then 'the threshold of a fact is no whole number'
    when coalesce({{ try_cast('threshold', 'double') }}, 0) <= 0 then 'threshold is no number above 0'
    when coalesce(priority, '') not in ('{{ priorities() | join("', '") }}') then 'priority is none of {{ priorities() | join(", ") }}'
    when trigger_kind = 'fact' and evidence_text is null then 'evidence_text is blank, which only a reason may leave'
end
{%- endmacro %}

{# The first is the most urgent. #}
{% macro priorities() %}
    {{ return(['immediate', 'this_week', 'ongoing']) }}
{% endmacro %}


{# Rows of the playbook in `relation` that can't be used, as text. #}
{% macro play_problems(relation) %}
select
    play_id,
    problem
from (
    select
        play_id,
        {{ play_problem() }} as problem
    from (
        select
            {% for column in input_columns('playbook') -%}
            {{ to_text(column) }} as {{ column }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ relation }}
    ) as plays
) as judged
where problem is not null
{%- endmacro %}


{# One row per open deal and fact, and per open deal and reason: what a play can be keyed by, and its value. #}
{% macro deal_triggers(open_deals, reasons) -%}
    {% for trigger, value in fact_triggers().items() -%}
    select
        deal_id,
        'fact' as trigger_kind,
        '{{ trigger }}' as trigger_name,
        cast({{ value }} as double) as trigger_value,
        cast(null as bigint) as trigger_deal_count,
        cast(null as {{ dbt.type_string() }}) as reason
    from {{ open_deals }}

    union all

    {% endfor -%}
    select
        deal_id,
        'reason' as trigger_kind,
        factor as trigger_name,
        -contribution_pp as trigger_value,
        training_deal_count as trigger_deal_count,
        reason
    from {{ reasons }}
{%- endmacro %}


{# What made a play's condition hold, in words. #}
{% macro play_evidence() -%}
    case
        when int_playbook.trigger_kind = 'reason' then substr(triggers.reason, 1, length(triggers.reason) - 1)
        else
            replace(
                replace(int_playbook.evidence_text, '{value}', cast(cast(triggers.trigger_value as bigint) as {{ dbt.type_string() }})),
                '{limit}', cast(cast(int_playbook.threshold as bigint) as {{ dbt.type_string() }})
            )
    end
{%- endmacro %}
