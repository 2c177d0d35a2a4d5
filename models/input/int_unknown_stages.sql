-- The fifty most frequent of each input: a wrong column has thousands.
with

int_stages as (
    select * from {{ ref('int_stages') }}
),

stated as (
    select
        'deals' as input,
        stated_stage as stage,
        row_count
    from {{ ref('int_judged_deals') }}
    where
        stated_stage is not null
        and deal_stage is null

    union all

    select
        'stage_history' as input,
        stage,
        1 as row_count
    from {{ ref('int_stage_history') }}
    where
        stage is not null
        and stage_rank is null
),

spellings as (
    select
        input,
        lower(stage) as stage_text,
        min(stage) as stage,
        sum(row_count) as row_count
    from stated
    group by input, lower(stage)
    qualify row_number() over (partition by input order by sum(row_count) desc, lower(stage)) <= 50
),

-- One edit in three letters is still the same word.
nearest as (
    select
        spellings.stage_text,
        int_stages.stage_name,
        levenshtein(spellings.stage_text, int_stages.stage_text) as edit_count
    from spellings
    inner join int_stages
        on 3 * levenshtein(spellings.stage_text, int_stages.stage_text) <= length(int_stages.stage_text)
    qualify row_number() over (
        partition by spellings.stage_text
        order by levenshtein(spellings.stage_text, int_stages.stage_text), int_stages.stage_name, int_stages.pipeline_text
    ) = 1
),

final as (
    select
        spellings.input,
        concat('unknown_stage: ', spellings.stage) as check_name,
        spellings.row_count,
        case
            when nearest.edit_count = 0
                then 'rows in a stage of several pipelines, of deals whose pipeline is none of them: map pipeline, or name it in the stages table'
            else concat(
                'rows in a stage that the stages table doesn''t have',
                case when nearest.stage_name is not null then concat(' (near: ', nearest.stage_name, ')') else '' end,
                ': add it to stages_file, as a stage or with alias_of, or map it with value_maps'
            )
        end as message
    from spellings
    left join nearest
        on spellings.stage_text = nearest.stage_text
)

select * from final
