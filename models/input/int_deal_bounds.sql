with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

bounds as (
    select
        min(created_date) as first_created_date,
        max(created_date) as last_created_date,
        min(closed_date) as first_closed_date,
        max(closed_date) as last_closed_date,
        percentile_cont(0.25) within group (order by cast(deal_amount as double)) as first_quartile,
        percentile_cont(0.75) within group (order by cast(deal_amount as double)) as third_quartile
    from int_deals
),

final as (
    select
        int_as_of.as_of_date,
        bounds.first_created_date,
        bounds.last_created_date,
        bounds.first_closed_date,
        bounds.last_closed_date,
        bounds.third_quartile + 1.5 * (bounds.third_quartile - bounds.first_quartile) as outlier_amount
    from int_as_of
    cross join bounds
)

select * from final
