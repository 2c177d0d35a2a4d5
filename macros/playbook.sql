{# Facts of an open deal that a play can be keyed by: fct_recommended_actions takes them of today, int_fact_stretches of past days. #}
{% macro fact_names() %}
    {{ return(['days_since_last_activity', 'days_in_stage', 'days_over_stall_limit', 'days_overdue', 'push_count', 'days_since_last_update']) }}
{% endmacro %}


{# Is the deal never offered an action, so that those that are can be compared with it? Its id alone decides, so no build and no day changes it. #}
{% macro is_holdout(deal_id) -%}
    {{ hash_number("'" ~ var('holdout_seed') | replace("'", "''") ~ "' || " ~ deal_id) }} % 100 < {{ var('holdout_percent') }}
{%- endmacro %}


{# The first is the most urgent. #}
{% macro priorities() %}
    {{ return(['immediate', 'this_week', 'ongoing']) }}
{% endmacro %}


{# Rows of the playbook in `relation` that can't be used, and the first reason why. #}
{% macro play_problems(relation) %}
{%- set factors = var('score_factors') | selectattr('can_rep_change', 'defined') | selectattr('can_rep_change') | map(attribute='factor') | list -%}
with

plays as (
    select
        {{ to_text('play_id') }} as play_id,
        {{ to_text('action_id') }} as action_id,
        {{ to_text('action_text') }} as action_text,
        {{ to_text('rationale') }} as rationale,
        {{ to_text('trigger_kind') }} as trigger_kind,
        {{ to_text('trigger_name') }} as trigger_name,
        {{ to_text('threshold') }} as threshold,
        {{ to_text('priority') }} as priority,
        {{ to_text('evidence_text') }} as evidence_text
    from {{ relation }}
),

checked as (
    select
        play_id,
        case
            when play_id is null then 'play_id is blank'
            when count(*) over (partition by play_id) > 1 then 'play_id stands in it twice'
            when action_id is null then 'action_id is blank'
            when action_text is null then 'action_text is blank'
            when rationale is null then 'rationale is blank'
            when coalesce(trigger_kind, '') not in ('fact', 'reason') then 'trigger_kind is neither fact nor reason'
            when trigger_kind = 'fact' and coalesce(trigger_name, '') not in ('{{ fact_names() | join("', '") }}')
                then 'trigger_name is none of the facts {{ fact_names() | join(", ") }}'
            when trigger_kind = 'reason' and coalesce(trigger_name, '') not in ('{{ factors | join("', '") }}')
                then 'trigger_name is none of the score_factors that a rep can change, {{ factors | join(", ") }}'
            when trigger_kind = 'fact' and coalesce({{ try_cast('threshold', 'double') }} % 1, 1) <> 0 then 'the threshold of a fact is no whole number'
            when coalesce({{ try_cast('threshold', 'double') }}, 0) <= 0 then 'threshold is no number above 0'
            when coalesce(priority, '') not in ('{{ priorities() | join("', '") }}') then 'priority is none of {{ priorities() | join(", ") }}'
            when trigger_kind = 'fact' and evidence_text is null then 'evidence_text is blank, which only a reason may leave'
        end as problem
    from plays
)

select
    play_id,
    problem
from checked
where problem is not null
{%- endmacro %}
