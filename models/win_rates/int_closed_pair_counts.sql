-- noqa: disable=layout.indent
{% set dimensions = var('segment_dimensions') %}
{% set pairs = segment_pairs(dimensions) %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
    where not is_open
),

cells as (
    select
        is_won,
        {% for dimension in dimensions -%}
            {{ dimension }},
        {% endfor -%}
        count(*) as deal_count,
        sum(cycle_days) as cycle_days,
        sum(deal_amount) as deal_amount,
        sum(cast(deal_amount as decimal(38, 4)) * deal_amount) as squared_amount
    from int_deals
    group by all
),

{% if pairs -%}
final as (
    select
        {{ pair_columns(pairs) }},
        is_won,
        cast(sum(deal_count) as bigint) as deal_count,
        cast(sum(cycle_days) as bigint) as cycle_days,
        cast(sum(deal_amount) as decimal(38, 2)) as deal_amount,
        cast(sum(squared_amount) as decimal(38, 4)) as squared_amount
    from cells
    group by {{ pair_sets(['is_won'], pairs) }}  -- noqa: PRS
)
{%- else -%}
final as (
    select
        cast(null as {{ dbt.type_string() }}) as segment_dimension,
        cast(null as {{ dbt.type_string() }}) as first_segment_value,
        cast(null as {{ dbt.type_string() }}) as second_segment_value,
        is_won,
        cast(deal_count as bigint) as deal_count,
        cast(cycle_days as bigint) as cycle_days,
        cast(deal_amount as decimal(38, 2)) as deal_amount,
        cast(squared_amount as decimal(38, 4)) as squared_amount
    from cells
    where false
)
{%- endif %}

select * from final
