with

int_stages as (
    select * from {{ ref('int_stages') }}
),

final as (
    select
        stage,
        pipeline,
        stage_name,
        stage_order,
        is_closed,
        is_won,
        is_late,
        default_probability
    from int_stages
)

select * from final
