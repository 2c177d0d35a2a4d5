-- depends_on: {{ ref('int_frequent_values') }}
-- noqa: disable=layout.indent
{% set frequent_values = ref('int_frequent_values') if own_dimensions() else none %}
{% set listed = var('segment_dimensions') %}
{% set dimensions = dimensions_of('segment_dimensions') %}
{# Own dimensions meet those that the var lists and not each other, so that one more brings in no more pairs than there are of these. The first
   with itself is a set to group by even if there is one dimension. #}
{% set pairs = [dimensions[:1] * 2] %}
{% for first in listed %}
    {% for second in dimensions[loop.index:] %}
        {% do pairs.append([first, second]) %}
    {% endfor %}
{% endfor %}

with

int_deals as (
    select
        {% for dimension in dimensions -%}
        {{ frequent_value('deals.' ~ dimension, dimension, frequent_values) }} as {{ dimension }},
        {% endfor -%}
        deals.is_won,
        deals.cycle_days,
        deals.deal_amount
    from {{ ref('int_deals') }} as deals
    where not deals.is_open
),

cells as (
    select
        is_won,
        {{ dimensions | join(', ') }},
        count(*) as deal_count,
        count(deal_amount) as valued_deal_count,
        count(cycle_days) as dated_deal_count,
        sum(cycle_days) as cycle_days,
        sum(deal_amount) as deal_amount,
        sum(cast(deal_amount as decimal(38, 4)) * deal_amount) as squared_amount
    from int_deals
    group by all
),

pairs as (
    select
        {{ segment_dimension(dimensions) }} as first_segment_dimension,
        {{ segment_dimension(dimensions | reverse | list) }} as second_segment_dimension,
        {{ segment_value(dimensions) }} as first_segment_value,
        {{ segment_value(dimensions | reverse | list) }} as second_segment_value,
        is_won,
        cast(sum(deal_count) as bigint) as deal_count,
        cast(sum(valued_deal_count) as bigint) as valued_deal_count,
        cast(sum(dated_deal_count) as bigint) as dated_deal_count,
        cast(coalesce(sum(cycle_days), 0) as bigint) as cycle_days,
        cast(coalesce(sum(deal_amount), 0) as decimal(38, 2)) as deal_amount,
        cast(coalesce(sum(squared_amount), 0) as decimal(38, 4)) as squared_amount
    from cells
    group by grouping sets (  -- noqa: PRS
        {%- for pair in pairs %}
        (is_won, {{ pair | join(', ') }}){{ "," if not loop.last }}
        {%- endfor %}
    )
),

final as (
    select
        first_segment_dimension || ' x ' || second_segment_dimension as segment_dimension,
        first_segment_value,
        second_segment_value,
        is_won,
        deal_count,
        valued_deal_count,
        dated_deal_count,
        cycle_days,
        deal_amount,
        squared_amount
    from pairs
    where first_segment_dimension <> second_segment_dimension
)

select * from final
