-- noqa: disable=layout.indent
-- A cell holds the won deals that share the first `depth` of the dimensions. An open deal is compared with the newest of its cells, from the
-- narrowest to the first that holds enough, so that the work grows with the open deals alone.
{% set dimensions = var('similar_deal_dimensions') %}
{% set matching_count %}
{%- for dimension in dimensions -%}
    case when {{ is_same_segment(dimension, 'newest') }} then 1 else 0 end{{ " + " if not loop.last }}
{%- endfor -%}
{% endset %}
{% set most = var('similar_deal_candidates') %}

with

open_deals as (
    select
        deal_id,
        deal_amount,
        {{ dimensions | join(", ") }},
        {{ dimensions | join(" || ' | ' || ") }} as profile
    from {{ ref('int_deals') }}
    where is_open
),

won_deals as (
    select
        deal_id,
        deal_amount,
        {{ dimensions | join(", ") }},
        row_number() over (order by closed_date desc, deal_id asc) as recency
    from {{ ref('int_deals') }}
    where is_won
),

-- The newest of a wide cell are among the newest of the narrowest cells inside it.
newest as (
    select * from won_deals
    qualify row_number() over (partition by {{ dimensions | join(", ") }} order by recency) <= {{ most }}
),

depths as (
    {% for depth in range(dimensions | length + 1) -%}
    select {{ depth }} as depth{{ " union all" if not loop.last }}
    {% endfor %}
),

won_cells as (
    select
        newest.recency,
        depths.depth,
        {{ similar_cell_key(dimensions) }} as cell_key
    from newest
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
    select distinct
        open_deals.profile,
        depths.depth,
        {{ similar_cell_key(dimensions) }} as cell_key
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

pairs as (
    select
        open_deals.deal_id,
        newest.deal_id as similar_deal_id,
        candidates.recency,
        {{ matching_count }} as matching_dimension_count,
        round(
            (
                {{ matching_count }}
                + cast(least(open_deals.deal_amount, newest.deal_amount) as double) / cast(greatest(open_deals.deal_amount, newest.deal_amount) as double)
            ) / {{ dimensions | length + 1 }}, 9
        ) as similarity
    from open_deals
    inner join candidates
        on open_deals.profile = candidates.profile
    inner join newest
        on candidates.recency = newest.recency
),

final as (
    select
        *,
        row_number() over (partition by deal_id order by similarity desc, recency asc) as similarity_rank
    from pairs
    qualify row_number() over (partition by deal_id order by similarity desc, recency asc) <= {{ var('similar_deal_count') }}
)

select * from final
