-- noqa: disable=layout.indent
-- A cell holds the won deals that share the first `depth` of the dimensions. Two values that make one key by accident only bring candidates
-- that match less. Open deals of one profile are compared with the newest of
-- its cells, from the narrowest to the first that holds enough.
{% set dimensions = dimensions_of('similar_deal_dimensions') %}
{% set most = var('similar_deal_candidates') %}

with

int_dated_deals as (
    select
        deal_id,
        deal_amount,
        is_open,
        is_won,
        closed_date,
        {% for dimension in dimensions -%}
        coalesce({{ dimension }}, 'Unknown') as {{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('int_dated_deals') }}
),

open_deals as (
    select distinct
        {{ dimensions | join(", ") }},
        {{ similar_deal_profile(dimensions) }} as profile
    from int_dated_deals
    where is_open
),

-- The newest of a wide cell are among the newest of the narrowest cells inside it.
newest as (
    select * from int_dated_deals
    where is_won
    qualify row_number() over (partition by {{ dimensions | join(", ") }} order by closed_date desc, deal_id asc) <= {{ most }}
),

won_deals as (
    select
        *,
        row_number() over (order by closed_date desc, deal_id asc) as recency
    from newest
),

depths as (
    select unnest(generate_series(0, {{ dimensions | length }})) as depth
),

won_cells as (
    select
        won_deals.recency,
        depths.depth,
        array_to_string([{{ dimensions | join(', ') }}][1:depths.depth], ' | ') as cell_key
    from won_deals
    cross join depths
),

cells as (
    select
        *,
        row_number() over (partition by depth, cell_key order by recency) as cell_rank
    from won_cells
    qualify row_number() over (partition by depth, cell_key order by recency) <= {{ most }}
),

profiles as (
    select
        open_deals.profile,
        depths.depth,
        array_to_string([{{ dimensions | join(', ') }}][1:depths.depth], ' | ') as cell_key
    from open_deals
    cross join depths
),

matched as (
    select
        profiles.profile,
        profiles.depth,
        cells.recency,
        max(case when cells.cell_rank = {{ most }} then profiles.depth else 0 end) over (partition by profiles.profile) as full_depth
    from profiles
    inner join cells
        on
            profiles.depth = cells.depth
            and profiles.cell_key = cells.cell_key
),

candidates as (
    select distinct
        profile,
        recency
    from matched
    where depth >= full_depth
),

final as (
    select
        candidates.profile,
        candidates.recency,
        won_deals.deal_id as similar_deal_id,
        won_deals.deal_amount as similar_deal_amount,
        {% for dimension in dimensions -%}
        case when {{ is_same_segment('open_deals', 'won_deals', dimension) }} then 1 else 0 end{{ " + " if not loop.last }}
        {%- endfor %} as matching_dimension_count
    from candidates
    inner join open_deals
        on candidates.profile = open_deals.profile
    inner join won_deals
        on candidates.recency = won_deals.recency
)

select * from final
