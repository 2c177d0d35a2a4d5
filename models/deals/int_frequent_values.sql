{% set own = own_dimensions(['creation', 'changes']) %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
    where not is_open
),

stacked as (
    select
        unnest(cast([
            {%- for each in own %}'{{ each.dimension }}'{{ ", " if not loop.last }}{% endfor -%}
        ] as {{ dbt.type_string() }}[])) as dimension,
        unnest(cast([
            {%- for each in own %}{{ each.dimension }}{{ ", " if not loop.last }}{% endfor -%}
        ] as {{ dbt.type_string() }}[])) as dimension_value
    from int_deals
),

counted as (
    select
        dimension,
        dimension_value,
        count(*) as closed_deal_count
    from stacked
    group by dimension, dimension_value
),

final as (
    select * from counted
    qualify row_number() over (partition by dimension order by closed_deal_count desc, dimension_value asc) <= {{ var('max_fitted_values') }}
)

select * from final
