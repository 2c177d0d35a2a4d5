{{ config(materialized = 'view') }}

with

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

factors as (
    {% for each in var('score_factors') -%}
    select
        '{{ each.factor }}' as factor,
        {{ loop.index }} as factor_order,
        '{{ each.label }}' as label,
        {{ "'" ~ each.data_needed ~ "'" if each.data_needed else "cast(null as " ~ dbt.type_string() ~ ")" }} as data_needed,
        {{ "true" if each.can_rep_change else "false" }} as can_rep_change
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        factors.*,
        coalesce(int_data_levels.data_level, 'L0') as data_level,
        coalesce(int_data_levels.is_available, true) as is_available,
        int_data_levels.reason
    from factors
    left join int_data_levels
        on factors.data_needed = int_data_levels.capability
)

select * from final
