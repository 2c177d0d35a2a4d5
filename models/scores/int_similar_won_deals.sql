-- noqa: disable=layout.indent
-- Among candidates that share as many dimensions with a deal, the most like it are its neighbours by amount: an open deal meets those
-- alone, so that the work grows with the open deals and not with their candidates. An open deal without an amount meets the newest.
{% set dimensions = dimensions_of('similar_deal_dimensions') %}
{% set count = var('similar_deal_count') %}

with

int_dated_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_dated_deals') }}
),

open_deals as (
    select
        deal_id,
        deal_amount,
        {{ similar_deal_profile(dimensions) }} as profile
    from int_dated_deals
    where is_open
),

int_similar_deal_candidates as (
    select
        *,
        row_number() over (partition by profile order by matching_dimension_count desc) as matching_rank
    from {{ ref('int_similar_deal_candidates') }}
),

-- One more dimension in common outweighs any amount: with enough candidates, those that share fewer are out.
candidates as (
    select *
    from int_similar_deal_candidates
    qualify matching_dimension_count >= coalesce(max(case when matching_rank = {{ count }} then matching_dimension_count end) over (partition by profile), 0)
),

-- From the amount of an open deal the ranks go down to smaller candidates and up to larger ones; of equal amounts, the newest is nearest.
sides as (
    select
        *,
        unnest(['smaller', 'larger', 'newest']) as side,
        unnest([
            row_number() over (partition by profile, matching_dimension_count order by similar_deal_amount asc, recency desc),
            row_number() over (partition by profile, matching_dimension_count order by similar_deal_amount asc, recency asc),
            row_number() over (partition by profile, matching_dimension_count order by recency asc)
        ]) as amount_rank
    from candidates
),

steps as (
    select unnest(generate_series({{ 1 - count }}, {{ count }})) as step
),

amounts as (
    select
        profile,
        matching_dimension_count,
        similar_deal_amount as deal_amount,
        1 as candidate_count,
        cast(null as {{ dbt.type_string() }}) as deal_id
    from candidates
    union all
    select
        open_deals.profile,
        sides.matching_dimension_count,
        open_deals.deal_amount,
        0 as candidate_count,
        open_deals.deal_id
    from open_deals
    inner join sides
        on open_deals.profile = sides.profile
    where
        sides.side = 'larger'
        and sides.amount_rank = 1
),

placed as (
    select
        *,
        cast(sum(candidate_count) over (
            partition by profile, matching_dimension_count order by deal_amount range between unbounded preceding and current row
        ) as bigint) as smaller_count
    from amounts
),

sought as (
    select
        placed.*,
        case
            when placed.deal_amount is null then 'newest'
            when steps.step > 0 then 'larger'
            else 'smaller'
        end as side,
        case when placed.deal_amount is null then 0 else placed.smaller_count end + steps.step as amount_rank
    from placed
    cross join steps
    where placed.deal_id is not null
),

neighbours as (
    select
        sought.deal_id,
        sides.similar_deal_id,
        sides.recency,
        sides.matching_dimension_count,
        case
            when sought.deal_amount > 0 and sides.similar_deal_amount > 0
                then
                    cast(least(sought.deal_amount, sides.similar_deal_amount) as double)
                    / cast(greatest(sought.deal_amount, sides.similar_deal_amount) as double)
            else 0
        end as amount_likeness
    from sought
    inner join sides
        on
            sought.profile = sides.profile
            and sought.matching_dimension_count = sides.matching_dimension_count
            and sought.side = sides.side
            and sought.amount_rank = sides.amount_rank
),

final as (
    select
        deal_id,
        similar_deal_id,
        recency,
        matching_dimension_count,
        round((matching_dimension_count + amount_likeness) / {{ dimensions | length + 1 }}, 9) as similarity,
        row_number() over (partition by deal_id order by matching_dimension_count desc, amount_likeness desc, recency asc) as similarity_rank
    from neighbours
    qualify row_number() over (partition by deal_id order by matching_dimension_count desc, amount_likeness desc, recency asc) <= {{ count }}
)

select * from final
