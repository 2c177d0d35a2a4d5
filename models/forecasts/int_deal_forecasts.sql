{{ config(materialized = 'view') }}
{% set dimensions = (var('rapv_segment_dimensions') + var('rapv_offset_dimensions')) | unique | list %}
{# Own dimensions of many values would make a combination of nearly every deal: their offsets are looked up one by one. #}
{% set own = dimensions_of('rapv_offset_dimensions') | reject('in', dimensions) | list %}

with

int_replayed_deals as (
    select * from {{ ref('int_replayed_deals') }}
),

int_age_band_win_rates as (
    select * from {{ ref('int_age_band_win_rates') }}
),

int_segment_combinations as (
    select * from {{ ref('int_segment_combinations') }}
),
{%- if own %}

int_segment_offsets as (
    select * from {{ ref('int_segment_offsets') }}
),

-- A value that no deal has closed in is as uncertain as the least known one of its dimension.
least_known as (
    select
        forecast_date,
        band_type,
        segment_dimension,
        max(log_odds_variance) as log_odds_variance
    from int_segment_offsets
    group by forecast_date, band_type, segment_dimension
),
{%- endif %}

first_fits as (
    select min(trained_until_date) as first_fit_date
    from {{ ref('ml_score_fits') }}
),

-- Of past pipelines by the newest fit known then, of the deals that are open now the score that is shown.
scores as (
    select
        observation_date as forecast_date,
        deal_id,
        win_probability
    from {{ ref('int_score_predictions') }}
    where purpose = 'backtest'

    union all

    select
        as_of_date as forecast_date,
        deal_id,
        win_probability
    from {{ ref('int_deal_scores') }}
),

valued as (
    select
        int_replayed_deals.*,
        int_age_band_win_rates.band,
        int_age_band_win_rates.effective_deal_count,
        int_age_band_win_rates.win_rate as cell_win_rate,
        int_age_band_win_rates.win_log_odds,
        int_segment_combinations.log_odds_offset
        {%- for dimension in own %} + coalesce({{ dimension }}_offsets.log_odds_offset, 0){% endfor %}{{ ' as log_odds_offset' if own }},
        int_age_band_win_rates.log_odds_variance + int_segment_combinations.log_odds_variance
        {%- for dimension in own %} + coalesce({{ dimension }}_offsets.log_odds_variance, {{ dimension }}_least_known.log_odds_variance, 0){% endfor %} as log_odds_variance,
        int_segment_combinations.base_rate,
        -- Before the first fit a score was the base rate.
        coalesce(
            scores.win_probability,
            case
                when int_replayed_deals.forecast_date >= first_fits.first_fit_date then null
                else int_segment_combinations.base_rate
            end
        ) as model_probability,
        int_segment_combinations.segment_win_rate,
        {% if own -%}
        nullif(concat_ws(
            ', ',
            int_segment_combinations.unseen_dimensions
            {%- for dimension in own %},
            case when {{ dimension }}_offsets.segment_value is null then '{{ dimension_label(dimension) | replace("'", "''") }}' end
            {%- endfor %}
        ), '') as unseen_dimensions,
        {%- else -%}
        int_segment_combinations.unseen_dimensions,
        {%- endif %}
        case
            when int_age_band_win_rates.win_log_odds is null then int_age_band_win_rates.win_rate
            else 1 / (1 + exp(-(
                int_age_band_win_rates.win_log_odds + int_segment_combinations.log_odds_offset
                {%- for dimension in own %} + coalesce({{ dimension }}_offsets.log_odds_offset, 0){% endfor -%}
            )))
        end as rapv_probability,
        -- As it was published: the age runs to the end of the day, so it is never 0.
        least(1, int_segment_combinations.typical_cycle_days / (int_replayed_deals.age_days + 1)) as aging_factor_published
    from int_replayed_deals
    cross join first_fits
    left join scores
        on
            int_replayed_deals.forecast_date = scores.forecast_date
            and int_replayed_deals.deal_id = scores.deal_id
    left join int_age_band_win_rates
        on
            int_replayed_deals.forecast_date = int_age_band_win_rates.forecast_date
            and int_replayed_deals.band_type = int_age_band_win_rates.band_type
            and int_replayed_deals.cell_stage = int_age_band_win_rates.stage
            and {{ in_band_of_key('int_replayed_deals.cell_age_days', 'int_age_band_win_rates') }}
    left join int_segment_combinations
        on
            int_replayed_deals.forecast_date = int_segment_combinations.forecast_date
            and int_replayed_deals.band_type = int_segment_combinations.band_type
            {% for dimension in dimensions -%}
            and int_replayed_deals.{{ dimension }} = int_segment_combinations.{{ dimension }}
            {% endfor %}
    {%- for dimension in own %}
    left join int_segment_offsets as {{ dimension }}_offsets
        on
            int_replayed_deals.forecast_date = {{ dimension }}_offsets.forecast_date
            and int_replayed_deals.band_type = {{ dimension }}_offsets.band_type
            and {{ dimension }}_offsets.segment_dimension = '{{ dimension }}'
            and int_replayed_deals.{{ dimension }} = {{ dimension }}_offsets.segment_value
    left join least_known as {{ dimension }}_least_known
        on
            int_replayed_deals.forecast_date = {{ dimension }}_least_known.forecast_date
            and int_replayed_deals.band_type = {{ dimension }}_least_known.band_type
            and {{ dimension }}_least_known.segment_dimension = '{{ dimension }}'
    {%- endfor %}
),

final as (
    select
        *,
        deal_amount as raw_amount,
        deal_amount * stage_probability as stage_weighted_amount,
        deal_amount * base_rate as flat_amount,
        deal_amount * segment_win_rate as segment_amount,
        deal_amount * rapv_probability as rapv_amount,
        deal_amount * model_probability as model_amount,
        deal_amount * segment_win_rate * aging_factor_published as published_aging_amount
    from valued
)

select * from final
