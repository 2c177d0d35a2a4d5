with

stages as (
    select
        *,
        cast(power(2, stage_rank) as hugeint) as stage_bit
    from {{ ref('int_stages') }}
    where not is_closed
),

visited as (
    select
        deal_id,
        bit_or(cast(power(2, stage_rank) as hugeint)) as stage_bits
    from {{ ref('int_stage_history') }}
    where
        is_stage_change
        and not is_closed
    group by deal_id
),

visited_sets as (
    select distinct stage_bits
    from visited
),

placed as (
    select
        *,
        bit_or(stage_bit) over (pipeline_stages rows between unbounded preceding and 1 preceding) as earlier_stage_bits,
        bit_or(stage_bit) over (pipeline_stages rows between 1 following and unbounded following) as later_stage_bits
    from stages
    window pipeline_stages as (partition by pipeline_text order by stage_rank)
),

together as (
    select
        placed.stage_rank,
        bit_or(visited_sets.stage_bits) as stage_bits
    from placed
    inner join visited_sets
        on placed.stage_bit & visited_sets.stage_bits <> 0
    group by placed.stage_rank
),

final as (
    select
        placed.stage,
        placed.stage_rank,
        placed.stage_bit,
        coalesce(placed.later_stage_bits, 0) as later_stage_bits,
        coalesce(placed.earlier_stage_bits & together.stage_bits, 0) as skippable_stage_bits,
        coalesce(bit_or(case when placed.is_late then placed.stage_bit end) over (), 0) as late_stage_bits
    from placed
    left join together
        on placed.stage_rank = together.stage_rank
)

select * from final
