{{ config(materialized = 'view') }}

with

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

factors (factor, factor_order, label, data_needed, can_rep_change) as (
    values
    {% for each in score_factors() -%}
    ('{{ each.factor }}', {{ loop.index }}, '{{ each.label | replace("'", "''") }}', {{ "'" ~ each.data_needed ~ "'" if each.data_needed else "null" }}, {{ each.can_rep_change or false }}){{ "," if not loop.last }}
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
