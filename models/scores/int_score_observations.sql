-- noqa: disable=layout.indent
{% set factors = score_factors() %}

with

int_deal_observations as (
    select * from {{ ref('int_deal_observations') }}
),

bands as (
    select * from {{ ref('int_bands') }}
),

-- A deal that rests for a month is decided by whoever cleans up: such days train nothing.
values_of_factors as (
    select
        observations.deal_id,
        observations.purpose,
        observations.is_won,
        observations.created_date,
        observations.closed_date,
        observations.penalty_group,
        observations.observation_date,
        {{ factor_levels(factors, 'observations') }}
    from int_deal_observations as observations
    {{ factor_bands(factors, 'observations', 'bands') }}
    where
        observations.purpose <> 'training'
        or not coalesce(observations.is_stale, false)
),

final as (
    select
        *,
        1.0 / count(*) over (partition by deal_id, purpose) as deal_weight
    from values_of_factors
)

select * from final
