-- Bands of the seed or of the user's file. Deal sizes and own numbers that neither has are cut at their quartiles among the closed deals known
-- on the as-of date (of all known deals while none has closed), rounded to two digits.
{% set numbers = own_dimensions() | selectattr("kind", "equalto", "number") | map(attribute="dimension") | list %}
with

given as (
    select
        {{ to_text('band_type') }} as band_type,
        {{ to_text('band') }} as band,
        {{ try_cast('band_order', 'integer') }} as band_order,
        {{ try_cast('lower_bound', 'double') }} as lower_bound,
        {{ try_cast('upper_bound', 'double') }} as upper_bound
    from {{ ref("stg_files__bands") if var("bands_file", none) else ref("bands") }}
),

{% if var("bands_file", none) -%}
seeded as (
    select * from {{ ref('bands') }}
),
{%- endif %}

int_known__deals as (
    select
        outcome <> 'Open' as is_closed,
        unnest(['deal_size_band'{% for number in numbers %}, '{{ number }}'{% endfor %}]) as band_type,
        unnest([case when stated_amount > 0 then cast(stated_amount as double) end{% for number in numbers %}, {{ number }}{% endfor %}]) as number
    from {{ ref('int_known__deals') }}
    where not is_not_yet_known
),

quartiles as (
    select
        band_type,
        unnest(coalesce(
            quantile_disc(number, [0.25, 0.5, 0.75]) filter (where is_closed),
            quantile_disc(number, [0.25, 0.5, 0.75])
        )) as number
    from int_known__deals
    where number is not null and band_type not in (select given.band_type from given)
    group by band_type
),

edges as (
    select distinct
        band_type,
        case when number = 0 then 0 else round(number, cast(1 - floor(log10(abs(number))) as integer)) end as edge
    from quartiles
),

numbered as (
    select
        band_type,
        edge as lower_bound,
        lead(edge) over (partition by band_type order by edge) as upper_bound,
        row_number() over (partition by band_type order by edge) + 1 as band_order,
        count(*) over (partition by band_type) + 1 as band_count
    from edges

    union all

    select
        band_type,
        null as lower_bound,
        min(edge) as upper_bound,
        1 as band_order,
        count(*) + 1 as band_count
    from edges
    group by band_type
),

texts as (
    select
        *,
        case
            when lower_bound = floor(lower_bound) then format('{:,}', cast(lower_bound as bigint))
            else cast(lower_bound as {{ dbt.type_string() }})
        end as lower_text,
        case
            when upper_bound = floor(upper_bound) then format('{:,}', cast(upper_bound as bigint))
            else cast(upper_bound as {{ dbt.type_string() }})
        end as upper_text
    from numbered
),

final as (
    select
        band_type,
        band,
        band_order,
        lower_bound,
        upper_bound
    from given

    {% if var("bands_file", none) -%}
    union all

    select
        band_type,
        band,
        band_order,
        lower_bound,
        upper_bound
    from seeded
    where band_type not in (select given.band_type from given)
    {%- endif %}

    union all

    select
        band_type,
        case
            when band_type <> 'deal_size_band' and lower_bound is null then concat('up to ', upper_text)
            when band_type <> 'deal_size_band' and upper_bound is null then concat('above ', lower_text)
            when band_type <> 'deal_size_band' then concat(lower_text, ' to ', upper_text)
            when band_order = 1 then 'small'
            when band_order = band_count then case band_count when 4 then 'very large' else 'large' end
            when band_order = 2 then 'medium'
            else 'large'
        end as band,
        cast(band_order as integer) as band_order,
        lower_bound,
        upper_bound
    from texts
)

select * from final
