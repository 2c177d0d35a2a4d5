with

playbook as (
    select * from {{ ref('stg_files__playbook') if var('playbook_file', none) else ref('playbook') }}
),

risk_categories as (
    select * from {{ ref('risk_categories') }}
),

typed as (
    select
        {{ to_text('play_id') }} as play_id,
        {{ to_text('action_id') }} as action_id,
        {{ to_text('trigger_kind') }} as trigger_kind,
        {{ to_text('trigger_name') }} as trigger_name,
        cast(threshold as double) as threshold,
        {{ to_text('priority') }} as priority,
        {{ to_text('action_text') }} as action_text,
        {{ to_text('rationale') }} as rationale,
        {{ to_text('stage') }} as stage,
        {{ to_text('least_risk_category') }} as least_risk_category,
        {{ to_text('evidence_text') }} as evidence_text
    from playbook
),

-- A name may mean a stage of each pipeline.
stage_names as (
    select
        stage_text,
        stage
    from {{ ref('int_stage_keys') }}

    union

    select
        lower(stage) as stage_text,
        stage
    from {{ ref('int_stage_keys') }}
),

final as (
    select
        typed.* replace (coalesce(stage_names.stage, typed.stage) as stage),
        case typed.priority
            {% for priority in priorities() -%}
            when '{{ priority }}' then {{ loop.index }}
            {% endfor -%}
        end as priority_order,
        risk_categories.category_order as least_category_order
    from typed
    left join risk_categories
        on typed.least_risk_category = risk_categories.risk_category
    left join stage_names
        on lower(typed.stage) = stage_names.stage_text
)

select * from final
