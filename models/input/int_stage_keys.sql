{% set value_map = (var('value_maps', none) or {}).get('deal_stage') or {} %}
{% set spellings = value_map.keys() | map('string') | map('replace', "'", "''") | join("', '") %}
{% set targets = value_map.values() | map('default', '', true) | map('string') | map('replace', "'", "''") | join("', '") %}

with recursive

int_parsed__stages as (
    select * from {{ ref('int_parsed__stages') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

value_map as (
    select
        lower({{ to_text('spelling') }}) as stage_text,
        lower({{ to_text('stage') }}) as target_text
    from (
        select
            unnest(['{{ spellings }}']) as spelling,
            unnest(['{{ targets }}']) as stage
    ) as entries
    where spelling <> ''
),

pipelines as (
    select pipeline_text from int_parsed__stages
    union
    select '' as pipeline_text
),

-- What a pipeline knows: its own names, and names of no pipeline that it doesn't have itself.
names as (
    select
        pipelines.pipeline_text,
        stages.stage_text,
        stages.alias_text,
        int_stages.stage_rank
    from pipelines
    inner join int_parsed__stages as stages
        on stages.pipeline_text in ('', pipelines.pipeline_text)
    left join int_stages
        on
            stages.pipeline_text = int_stages.pipeline_text
            and stages.stage_text = int_stages.stage_text
    qualify row_number() over (partition by pipelines.pipeline_text, stages.stage_text order by stages.pipeline_text desc) = 1
),

-- Aliases of aliases. `union` drops what was met before, so a circle ends.
chased as (
    select
        pipeline_text,
        stage_text,
        coalesce(alias_text, stage_text) as target_text
    from names

    union

    select
        chased.pipeline_text,
        chased.stage_text,
        names.alias_text as target_text
    from chased
    inner join names
        on
            chased.pipeline_text = names.pipeline_text
            and chased.target_text = names.stage_text
    where names.alias_text is not null
),

resolved as (
    select
        chased.pipeline_text,
        chased.stage_text,
        names.stage_rank
    from chased
    inner join names
        on
            chased.pipeline_text = names.pipeline_text
            and chased.target_text = names.stage_text
    where names.stage_rank is not null
),

-- Without a pipeline, or in one that doesn't have it, a name means the only stage it can mean.
unambiguous as (
    select * from resolved

    union all

    select
        '' as pipeline_text,
        stage_text,
        min(stage_rank) as stage_rank
    from resolved
    group by stage_text
    having count(distinct stage_rank) = 1 and min(pipeline_text) <> ''
),

mapped as (
    select
        unambiguous.pipeline_text,
        value_map.stage_text,
        unambiguous.stage_rank
    from unambiguous
    inner join value_map on unambiguous.stage_text = value_map.target_text

    union all

    select * from unambiguous
    where stage_text not in (select value_map.stage_text from value_map)
),

final as (
    select
        mapped.pipeline_text,
        mapped.stage_text,
        int_stages.stage,
        int_stages.stage_rank,
        int_stages.is_closed,
        int_stages.is_won
    from mapped
    inner join int_stages on mapped.stage_rank = int_stages.stage_rank
)

select * from final
