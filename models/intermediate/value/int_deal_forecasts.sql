{{ config(materialized = 'view') }}
{% set rate_dimensions = var('rapv_segment_dimensions') %}
{% set offset_dimensions = var('rapv_offset_dimensions') %}
{% set dimensions = (rate_dimensions + offset_dimensions) | unique | list %}

with

int_open_deal_states as (
    select * from {{ ref('int_open_deal_states') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_value_cells as (
    select * from {{ ref('int_value_cells') }}
),

int_value_segments as (
    select * from {{ ref('int_value_segments') }}
),

all_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension = 'all'
),

-- A segment that no deal has closed in takes the rate and the median of all deals, and no offset.
known as (
    select
        states.*,
        int_stages.default_probability,
        cells.band,
        cells.effective_deal_count,
        cells.parent_rate,
        cells.win_rate as cell_win_rate,
        cells.win_log_odds,
        cells.log_odds_variance as cell_log_odds_variance,
        all_segments.win_rate as base_rate,
        {% for dimension in offset_dimensions %}coalesce({{ dimension }}_segments.log_odds_offset, 0){{ " + " if not loop.last }}{% endfor %} as log_odds_offset,
        {% for dimension in offset_dimensions %}{{ dimension }}_segments.log_odds_variance{{ " + " if not loop.last }}{% endfor %} as offset_variance,
        ({% for dimension in rate_dimensions %}coalesce({{ dimension }}_segments.win_rate, all_segments.win_rate){{ " + " if not loop.last }}{% endfor %}) / {{ rate_dimensions | length }} as segment_win_rate,
        ({% for dimension in rate_dimensions %}coalesce({{ dimension }}_segments.median_cycle_days, all_segments.median_cycle_days){{ " + " if not loop.last }}{% endfor %}) / {{ rate_dimensions | length }} as typical_cycle_days,
        nullif(concat_ws(', ', {% for dimension in dimensions %}case when {{ dimension }}_segments.segment_value is null then '{{ dimension }}' end{{ ", " if not loop.last }}{% endfor %}), '') as unseen_dimensions
    from int_open_deal_states as states
    left join int_stages
        on states.stage = int_stages.stage
    left join int_value_cells as cells
        on
            states.forecast_date = cells.forecast_date
            and states.band_type = cells.band_type
            and case when states.band_type = 'stage_age_band' then states.stage else 'all' end = cells.stage
            and {{ in_band("case when states.band_type = 'stage_age_band' then states.days_in_stage else states.age_days end", 'cells') }}
    left join all_segments
        on states.forecast_date = all_segments.forecast_date
    {% for dimension in dimensions -%}
    left join int_value_segments as {{ dimension }}_segments
        on
            states.forecast_date = {{ dimension }}_segments.forecast_date
            and states.band_type = {{ dimension }}_segments.band_type
            and {{ dimension }}_segments.segment_dimension = '{{ dimension }}'
            and states.{{ dimension }} = {{ dimension }}_segments.segment_value
    {% endfor -%}
),

valued as (
    select
        *,
        case when win_log_odds is null then cell_win_rate else 1 / (1 + exp(-(win_log_odds + log_odds_offset))) end as win_probability,
        -- Published as it was used: the age counts to the end of the day, so that it is never 0.
        least(1, typical_cycle_days / (age_days + 1)) as aging_factor_published,
        coalesce(case when is_as_of_date then stage_probability end, default_probability) as crm_probability
    from known
),

final as (
    select
        *,
        deal_amount as raw_amount,
        deal_amount * crm_probability as stage_weighted_amount,
        deal_amount * base_rate as flat_amount,
        deal_amount * segment_win_rate as segment_amount,
        deal_amount * win_probability as rapv_amount,
        deal_amount * segment_win_rate * aging_factor_published as published_aging_amount
    from valued
)

select * from final
