{% set plain_factors = score_factors() | rejectattr('band_type', 'defined') | rejectattr('data_needed', 'defined') | map(attribute='column') | list %}
{% set rates = dimensions_of('segment_dimensions') + var('driver_factors') + var('rapv_segment_dimensions') + var('rapv_offset_dimensions') %}
{% set dimensions = (plain_factors + rates) | unique | reject('equalto', 'deal_size_band') | list %}

with

int_deal_sightings as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deal_sightings') }}
),

-- Amounts as cells of a fiftieth of a decade, in order.
stacked as (
    select
        sighting,
        is_won,
        known_amount,
        cast(sign(known_amount) * (1000 + round(50 * log10(greatest(abs(known_amount), 0.01)))) as integer) as amount_cell,
        unnest(['deal_size_band'{% for dimension in dimensions %}, '{{ dimension }}'{% endfor %}]) as dimension,
        unnest([
            case when known_amount is null then 'Unknown' end{% for dimension in dimensions %}, {{ dimension }}{% endfor %}
        ]) as level
    from int_deal_sightings
),

counted as (
    select
        dimension,
        level,
        case when level is null then amount_cell end as cell_order,
        case when level is null then max(known_amount) end as most_amount,
        count(case when sighting = 'then' then 1 end) as then_deal_count,
        count(case when sighting = 'now' then 1 end) as now_deal_count,
        count(case when sighting = 'closed' and is_won then 1 end) as won_deal_count,
        count(case when sighting = 'closed' and not is_won then 1 end) as lost_deal_count
    from stacked
    group by dimension, level, case when level is null then amount_cell end
),

final as (
    select
        dimension,
        coalesce(level, cast(cast(most_amount as decimal(18, 2)) as {{ dbt.type_string() }})) as level,
        cell_order,
        then_deal_count,
        now_deal_count,
        won_deal_count,
        lost_deal_count,
        cast(sum(then_deal_count) over (partition by dimension) as bigint) as all_then_deal_count,
        cast(sum(now_deal_count) over (partition by dimension) as bigint) as all_now_deal_count,
        cast(sum(won_deal_count) over (partition by dimension) as bigint) as all_won_deal_count,
        cast(sum(lost_deal_count) over (partition by dimension) as bigint) as all_lost_deal_count
    from counted
)

select * from final
