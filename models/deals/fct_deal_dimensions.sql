{% set own = own_dimensions() %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

stacked as (
    select
        deal_id,
        unnest(cast([
            {%- for each in own %}'{{ each.dimension }}'{{ ", " if not loop.last }}{% endfor -%}
        ] as {{ dbt.type_string() }}[])) as dimension,
        unnest(cast([
            {%- for each in own %}'{{ dimension_label(each.dimension) | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor -%}
        ] as {{ dbt.type_string() }}[])) as label,
        unnest(cast([
            {%- for each in own %}{{ each.dimension }}{{ ", " if not loop.last }}{% endfor -%}
        ] as {{ dbt.type_string() }}[])) as dimension_value
    from int_deals
),

-- What is known only at the close has no value while a deal is open.
final as (
    select * from stacked
    where dimension_value is not null
)

select * from final
