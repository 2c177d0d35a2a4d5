-- noqa: disable=layout.indent
{% set factors = var('score_factors') %}
{% set banded = factors | selectattr('band_type', 'defined') | list %}

with

int_deal_observations as (
    select * from {{ ref('int_deal_observations') }}
),

bands as (
    select * from {{ ref('bands') }}
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
        {% for each in factors -%}
        coalesce(
            {%- if each.within and each.band_type %}
            observations.{{ each.within }} || ', ' || {{ each.factor }}s.band,
            {%- elif each.band_type %}
            {{ each.factor }}s.band,
            {%- else %}
            observations.{{ each.column }},
            {%- endif %}
            'Unknown'
        ) as {{ each.factor }}{{ "," if not loop.last }}
        {% endfor %}
    from int_deal_observations as observations
    {% for each in banded -%}
    left join bands as {{ each.factor }}s
        on
            {{ each.factor }}s.band_type = '{{ each.band_type }}'
            and {{ in_band('observations.' ~ each.column, each.factor ~ 's') }}
    {% endfor -%}
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
