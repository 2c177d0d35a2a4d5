-- Open stages and aliases without a pipeline stand in each pipeline that the table names, but where the pipeline has a row of that name.
with

int_input__stages as (
    select * from {{ ref('int_input__stages') }}
),

typed as (
    select
        {{ to_text('pipeline') }} as stated_pipeline,
        {{ to_text('stage') }} as stage_name,
        lower({{ to_text('stage') }}) as stage_text,
        lower({{ to_text('alias_of') }}) as alias_text,
        cast({{ to_text('stage_order') }} as integer) as stage_order,
        {{ to_boolean('is_closed') }} as is_closed,
        {{ to_boolean('is_won') }} as is_won,
        coalesce({{ to_boolean('is_late') }}, false) as is_late,
        {{ to_probability('default_probability', 'stages') }} as default_probability
    from int_input__stages
),

pipelines as (
    select
        lower(stated_pipeline) as pipeline_text,
        min(stated_pipeline) as pipeline
    from typed
    where stated_pipeline is not null
    group by 1

    union all

    select
        '' as pipeline_text,
        null as pipeline
),

final as (
    select
        pipelines.pipeline_text,
        pipelines.pipeline,
        typed.stage_text,
        typed.stage_name,
        typed.alias_text,
        typed.stage_order,
        typed.is_closed,
        typed.is_won,
        typed.is_late,
        typed.default_probability
    from typed
    inner join pipelines
        on case
            when typed.stated_pipeline is not null then lower(typed.stated_pipeline) = pipelines.pipeline_text
            else pipelines.pipeline_text = '' or not coalesce(typed.is_closed, false)
        end
    qualify row_number() over (
        partition by pipelines.pipeline_text, typed.stage_text
        order by case when typed.stated_pipeline is null then 1 else 0 end
    ) = 1
)

select * from final
