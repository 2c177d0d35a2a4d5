-- Which columns of the file are deals split by?
-- Which amounts are small?
-- How many deals has each value of my own columns?
-- One row per dimension and value or band: of an own dimension each value with its deals, of a number each band with its edges, above lower_bound
-- and up to upper_bound. `known` says when a value is known; no score or forecast reads what is known only at the close. Never add up two dimensions.
with

dim_dimensions as (
    select * from {{ ref('dim_dimensions') }}
),

dim_bands as (
    select * from {{ ref('dim_bands') }}
),

own_values as (
    select
        dimension,
        dimension_value,
        count(*) as deal_count
    from {{ ref('fct_deal_dimensions') }}
    group by dimension, dimension_value
),

final as (
    select
        dim_dimensions.dimension,
        dim_dimensions.label,
        dim_dimensions.column_name,
        dim_dimensions.known,
        dim_dimensions.is_built_in,
        coalesce(own_values.dimension_value, dim_bands.band) as dimension_value,
        dim_bands.band_order,
        dim_bands.lower_bound,
        dim_bands.upper_bound,
        own_values.deal_count
    from dim_dimensions
    left join own_values
        on dim_dimensions.dimension = own_values.dimension
    left join dim_bands
        on
            dim_dimensions.dimension = dim_bands.band_type
            and coalesce(own_values.dimension_value, dim_bands.band) = dim_bands.band
)

select * from final
order by is_built_in asc, dimension asc, band_order asc, deal_count desc, dimension_value asc
