-- noqa: disable=layout.indent
{% set rate_dimensions = var('rapv_segment_dimensions') %}
{% set offset_dimensions = var('rapv_offset_dimensions') %}
{% set dimensions = (rate_dimensions + offset_dimensions) | unique | list %}

with

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

int_segment_offsets as (
    select * from {{ ref('int_segment_offsets') }}
),

all_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension = 'all'
),

band_types as (
    select distinct band_type
    from {{ ref('int_bands') }}
    where band_type in ('stage_age_band', 'deal_age_band')
),

combinations as (
    select distinct
        {% for dimension in dimensions -%}
            coalesce({{ dimension }}, 'Unknown') as {{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('int_deals') }}
    {%- if 'deal_size_band' in dimensions %}

    union

    select distinct
        {% for dimension in dimensions -%}
            {{ 'int_past_amounts.known_size_band' if dimension == 'deal_size_band' else "coalesce(int_deals." ~ dimension ~ ", 'Unknown')" }}{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('int_past_amounts') }} as int_past_amounts
    inner join {{ ref('int_deals') }} as int_deals
        on int_past_amounts.deal_id = int_deals.deal_id
    where int_past_amounts.known_size_band is not null
    {%- endif %}
),

-- A segment that no deal has closed in takes the rate and the median of all deals, and no offset.
final as (
    select
        int_forecast_dates.forecast_date,
        band_types.band_type,
        {% for dimension in dimensions -%}
            combinations.{{ dimension }},
        {% endfor -%}
        all_segments.closed_deal_count,
        all_segments.win_rate as base_rate,
        (
            {% for dimension in rate_dimensions -%}
            coalesce({{ dimension }}_segments.win_rate, all_segments.win_rate){{ " + " if not loop.last }}
            {% endfor %}
        ) / {{ rate_dimensions | length }} as segment_win_rate,
        (
            {% for dimension in rate_dimensions -%}
            coalesce({{ dimension }}_segments.median_cycle_days, all_segments.median_cycle_days){{ " + " if not loop.last }}
            {% endfor %}
        ) / {{ rate_dimensions | length }} as typical_cycle_days,
        {% for dimension in offset_dimensions -%}
        coalesce({{ dimension }}_segments.log_odds_offset, 0){{ " + " if not loop.last }}
        {% endfor %} as log_odds_offset,
        {% for dimension in offset_dimensions -%}
        {{ dimension }}_segments.log_odds_variance{{ " + " if not loop.last }}
        {% endfor %} as log_odds_variance,
        nullif(concat_ws(
            ', '
            {%- for dimension in dimensions %},
            case when {{ dimension }}_segments.segment_value is null then '{{ dimension }}' end
            {%- endfor %}
        ), '') as unseen_dimensions
    from combinations
    cross join int_forecast_dates
    cross join band_types
    left join all_segments
        on int_forecast_dates.forecast_date = all_segments.forecast_date
    {% for dimension in dimensions -%}
    left join int_segment_offsets as {{ dimension }}_segments
        on
            int_forecast_dates.forecast_date = {{ dimension }}_segments.forecast_date
            and band_types.band_type = {{ dimension }}_segments.band_type
            and {{ dimension }}_segments.segment_dimension = '{{ dimension }}'
            and combinations.{{ dimension }} = {{ dimension }}_segments.segment_value
    {% endfor -%}
)

select * from final
