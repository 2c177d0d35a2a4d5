with

stages as (
    select * from {{ ref('stg_files__stages') if var('stages_file', none) else ref('pipeline_stages') }}
),

typed as (
    select
        {{ to_text('stage') }} as stage,
        cast(stage_order as integer) as stage_order,
        cast(is_closed as boolean) as is_closed,
        cast(is_won as boolean) as is_won,
        coalesce(cast(is_late as boolean), false) as is_late,
        {{ to_probability('default_probability', 'stages') }} as default_probability
    from stages
),

final as (
    select
        *,
        cast(row_number() over (order by is_closed, stage_order, stage) as integer) as stage_rank
    from typed
)

select * from final
