with

int_deals as (
    select * from {{ ref('int_deals') }}
),

quartiles as (
    select
        percentile_cont(0.25) within group (order by cast(deal_amount as double)) as first_quartile,
        percentile_cont(0.75) within group (order by cast(deal_amount as double)) as third_quartile
    from int_deals
),

final as (
    select third_quartile + 1.5 * (third_quartile - first_quartile) as upper_fence
    from quartiles
)

select * from final
