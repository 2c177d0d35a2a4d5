with

int_parsed__stages as (
    select * from {{ ref('int_parsed__stages') }}
    where alias_text is null
),

final as (
    select
        case
            when pipeline is not null and count(*) over (partition by stage_text) > 1 then concat(stage_name, ' (', pipeline, ')')
            else stage_name
        end as stage,
        pipeline,
        stage_name,
        pipeline_text,
        stage_text,
        stage_order,
        is_closed,
        is_won,
        is_late,
        default_probability,
        cast(row_number() over (order by is_closed, pipeline_text, stage_order, stage_name) as integer) as stage_rank
    from int_parsed__stages
)

select * from final
