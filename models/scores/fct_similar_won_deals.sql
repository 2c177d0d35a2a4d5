-- noqa: disable=layout.indent
{% set dimensions = dimensions_of('similar_deal_dimensions') %}

with

int_similar_won_deals as (
    select * from {{ ref('int_similar_won_deals') }}
),

open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

open_segments as (
    select
        deal_id,
        {{ dimensions | join(', ') }}
    from {{ ref('int_deals') }}
    where is_open
),

similar_deals as (
    select distinct similar_deal_id as deal_id from {{ ref('int_similar_deal_candidates') }}
),

won_deals as (
    select int_dated_deals.*
    from {{ ref('int_dated_deals') }} as int_dated_deals
    inner join similar_deals
        on int_dated_deals.deal_id = similar_deals.deal_id
),

-- A first visit that the history doesn't see begin has no length.
won_visits as (
    select
        visits.deal_id,
        visits.stage,
        case when max(case when visits.is_left_truncated then 1 else 0 end) = 0 then sum(visits.days_in_stage) end as days_in_stage
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join similar_deals
        on visits.deal_id = similar_deals.deal_id
    group by visits.deal_id, visits.stage
),

joined as (
    select
        pairs.deal_id,
        cast(pairs.similarity_rank as integer) as similarity_rank,
        pairs.similar_deal_id,
        pairs.similarity,
        cast(pairs.matching_dimension_count as integer) as matching_dimension_count,
        concat_ws(
            ', ',
            {% for dimension in dimensions -%}
            case when {{ is_same_segment('open_segments', 'won_deals', dimension) }} then '{{ dimension_label(dimension) | replace("'", "''") }} ' || won_deals.{{ dimension }} end{{ "," if not loop.last }}
            {% endfor %}
        ) as matching_values,
        open_deals.deal_amount,
        won_deals.deal_amount as similar_deal_amount,
        cast(won_deals.deal_amount as double) / cast(open_deals.deal_amount as double) as amount_ratio,
        won_deals.sales_rep_id as similar_sales_rep_id,
        won_deals.closed_date as similar_won_date,
        won_deals.cycle_days as similar_cycle_days,
        open_deals.age_days,
        open_deals.stage,
        open_deals.days_in_stage,
        cast(won_visits.days_in_stage as integer) as similar_days_in_stage,
        open_deals.as_of_date
    from int_similar_won_deals as pairs
    inner join open_deals
        on pairs.deal_id = open_deals.deal_id
    inner join open_segments
        on pairs.deal_id = open_segments.deal_id
    inner join won_deals
        on pairs.similar_deal_id = won_deals.deal_id
    left join won_visits
        on
            pairs.similar_deal_id = won_visits.deal_id
            and open_deals.stage = won_visits.stage
),

final as (
    select
        *,
        similar_deal_id || ' was won on ' || cast(similar_won_date as {{ dbt.type_string() }}) || ' after ' || similar_cycle_days || ' days by '
        || similar_sales_rep_id || ': '
        || case when matching_dimension_count = 0 then 'no segment in common' else matching_values || ' in common' end
        || ' (' || matching_dimension_count || ' of {{ dimensions | length }})'
        || coalesce(
            ', an amount of ' || cast(cast(similar_deal_amount as decimal(18, 0)) as {{ dbt.type_string() }}) || ' where this deal has '
            || cast(cast(deal_amount as decimal(18, 0)) as {{ dbt.type_string() }}), ''
        ) || '.'
        || case
            when similar_days_in_stage is null or days_in_stage is null then ''
            else ' It spent ' || similar_days_in_stage || ' days in ' || stage || ', where this deal has been for ' || days_in_stage || '.'
        end as finding
    from joined
)

select * from final
