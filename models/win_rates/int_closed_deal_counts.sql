{% set dimensions = dimensions_of('segment_dimensions') %}

with

int_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deals') }}
    where not is_open
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        cohort_month,
        closed_month,
        cycle_days,
        is_won,
        count(*) as deal_count,
        count(deal_amount) as valued_deal_count,
        cast(coalesce(sum(deal_amount), 0) as decimal(38, 2)) as deal_amount,
        cast(coalesce(sum(cast(deal_amount as decimal(38, 4)) * deal_amount), 0) as decimal(38, 4)) as squared_amount
    from int_deals
    group by {{ segment_sets(['cohort_month', 'closed_month', 'cycle_days', 'is_won'], dimensions) }}  -- noqa: PRS
)

select * from final
