-- Whether probabilities are percent is a matter of the whole column: 1 is certain among fractions, and hardly possible among percents.
with

stated as (
    select
        'deals' as input,
        {{ percent_number('stage_probability', 'deals') }} as number,
        {{ has_percent_sign('stage_probability') }} as has_percent_sign
    from {{ ref('int_input__deals') }}
    where stage_probability is not null

    union all

    select
        'stages' as input,
        {{ percent_number('default_probability', 'stages') }} as number,
        {{ has_percent_sign('default_probability') }} as has_percent_sign
    from {{ ref('stg_files__stages') if var('stages_file', none) else ref('pipeline_stages') }}
    where default_probability is not null
),

inputs (input, column_name, declared_scale) as (
    values
    ('deals', 'stage_probability', '{{ declared("percent", "deals", "") }}'),
    ('stages', 'default_probability', '{{ declared("percent", "stages", "") }}')
),

scales as (
    select
        inputs.input,
        inputs.column_name,
        inputs.declared_scale <> '' as is_declared,
        inputs.declared_scale = 'percent'
        or (inputs.declared_scale = '' and count(case when stated.has_percent_sign or stated.number > 1 then 1 end) > 0) as is_percent
    from inputs
    left join stated
        on inputs.input = stated.input
    group by inputs.input, inputs.column_name, inputs.declared_scale
),

final as (
    select
        scales.input,
        scales.column_name,
        scales.is_declared,
        scales.is_percent,
        count(stated.number) as value_count,
        count(
            case when stated.number < 0 or stated.number > case when scales.is_percent or stated.has_percent_sign then 100 else 1 end then 1 end
        ) as outside_count
    from scales
    left join stated
        on scales.input = stated.input
    group by scales.input, scales.column_name, scales.is_declared, scales.is_percent
)

select * from final
