-- The stages of the playbook seed are those of the pipeline_stages seed: with other stages they match nothing, and that is no mistake.
with

int_playbook as (
    select * from {{ ref('int_playbook') }}
),

open_stages as (
    select * from {{ ref('int_stages') }}
    where not is_closed
),

problems as (
    select
        play_id,
        case
            when least_risk_category is not null and least_category_order is null then 'there is no risk category ' || least_risk_category
            else 'there is no open stage ' || stage
        end as problem
    from int_playbook
    where
        (least_risk_category is not null and least_category_order is null)
        {%- if var('playbook_file', none) or not var('stages_file', none) %}
        or stage not in (select open_stages.stage from open_stages)
        {%- endif %}
)

select *
from problems
where error('Playbook: play ''' || play_id || ''' can''t be used: ' || problem) is null
