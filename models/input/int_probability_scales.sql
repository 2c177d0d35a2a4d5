-- Whether probabilities are percent is a matter of the whole column: 1 is certain among fractions, and hardly possible among percents.
with

stated as (
    select
        'deals' as input,
        {{ to_number('stage_probability', 'deals') }} as number,
        {{ to_percent('stage_probability', 'deals') }} as percent
    from {{ ref('int_input__deals') }}
    where stage_probability is not null

    union all

    select
        'stages' as input,
        {{ to_number('default_probability', 'stages') }} as number,
        {{ to_percent('default_probability', 'stages') }} as percent
    from {{ ref('int_input__stages') }}
    where default_probability is not null
),

counts as (
    select
        input,
        count(coalesce(number, percent)) as value_count,
        count(case when percent is not null or number > 1 then 1 end) as percent_count,
        count(case when not coalesce(percent, number) between 0 and 100 then 1 end) as outside_percent_count,
        count(case when not coalesce(percent / 100, number) between 0 and 1 then 1 end) as outside_fraction_count
    from stated
    group by input
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
        inputs.declared_scale = 'percent' or (inputs.declared_scale = '' and coalesce(counts.percent_count, 0) > 0) as is_percent,
        coalesce(counts.value_count, 0) as value_count,
        counts.outside_percent_count,
        counts.outside_fraction_count
    from inputs
    left join counts
        on inputs.input = counts.input
),

final as (
    select
        input,
        column_name,
        is_declared,
        is_percent,
        value_count,
        coalesce(case when is_percent then outside_percent_count else outside_fraction_count end, 0) as outside_count
    from scales
)

select * from final
