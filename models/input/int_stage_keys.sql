with

final as (
    select
        '' as pipeline_text,
        lower(stage) as stage_text,
        stage,
        stage_rank,
        is_closed,
        is_won
    from {{ ref('int_stages') }}
)

select * from final
