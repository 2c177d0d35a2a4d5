{{ config(materialized = 'view') }}

with

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

int_rewritten_dimensions as (
    select * from {{ ref('int_rewritten_dimensions') }}
    where is_left_out
),

factors (factor, factor_order, label, dimension, data_needed, can_rep_change) as (
    values
    {% for each in score_factors() -%}
    (
        '{{ each.factor }}', {{ loop.index }}, '{{ each.label | replace("'", "''") }}',
        '{{ "deal_size_band" if each.column == "deal_amount" else each.column }}',
        {{ "'" ~ each.data_needed ~ "'" if each.data_needed else "null" }}, {{ each.can_rep_change or false }}
    ){{ "," if not loop.last }}
    {% endfor %}
),

final as (
    select
        factors.*,
        coalesce(int_data_levels.data_level, 'L0') as data_level,
        coalesce(int_data_levels.is_available, true) and rewritten.dimension is null as is_available,
        case when rewritten.dimension is null then int_data_levels.reason else 'its values may be filled in or changed when deals close' end as reason
    from factors
    left join int_data_levels
        on factors.data_needed = int_data_levels.capability
    left join int_rewritten_dimensions as rewritten
        on factors.dimension = rewritten.dimension
)

select * from final
