with

int_bands as (
    select * from {{ ref('int_bands') }}
),

final as (
    select
        band_type,
        band,
        band_order,
        lower_bound,
        upper_bound
    from int_bands
)

select * from final
