{{ config(materialized = 'view') }}
{% set dimensions = (var('rapv_segment_dimensions') + var('rapv_offset_dimensions')) | unique | list %}

with

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_amount_changes as (
    select * from {{ ref('int_amount_changes') }}
),

stage_dates as (
    select distinct forecast_date
    from {{ ref('int_value_cells') }}
    where band_type = 'stage_age_band'
),

open_deals as (
    select
        int_deals.*,
        int_forecast_dates.forecast_date,
        int_forecast_dates.is_as_of_date
    from int_deals
    inner join int_forecast_dates
        on
            int_deals.created_date <= int_forecast_dates.forecast_date
            and coalesce(int_deals.closed_date, cast('9999-12-31' as date)) > int_forecast_dates.forecast_date
),

-- A left-truncated visit is known from the day the history begins.
open_visits as (
    select
        int_deal_stage_visits.deal_id,
        int_deal_stage_visits.stage,
        int_forecast_dates.forecast_date,
        {{ dbt.datediff('int_deal_stage_visits.entered_at', 'int_forecast_dates.forecast_date', 'day') }} as days_in_stage
    from int_deal_stage_visits
    inner join int_forecast_dates
        on
            cast(coalesce(int_deal_stage_visits.observed_from_at, int_deal_stage_visits.entered_at) as date) <= int_forecast_dates.forecast_date
            and coalesce(cast(int_deal_stage_visits.exited_at as date), cast('9999-12-31' as date)) > int_forecast_dates.forecast_date
),

final as (
    select
        open_deals.forecast_date,
        open_deals.is_as_of_date,
        open_deals.deal_id,
        {% for dimension in dimensions -%}
            {% if dimension == 'deal_size_band' -%}
            coalesce(int_amount_changes.deal_size_band, open_deals.deal_size_band) as deal_size_band,
            {% else -%}
            open_deals.{{ dimension }},
            {% endif -%}
        {% endfor -%}
        coalesce(int_amount_changes.deal_amount, open_deals.deal_amount) as deal_amount,
        open_visits.stage,
        open_visits.days_in_stage,
        {{ dbt.datediff('open_deals.created_date', 'open_deals.forecast_date', 'day') }} as age_days,
        case when open_visits.deal_id is not null and stage_dates.forecast_date is not null then 'stage_age_band' else 'deal_age_band' end as band_type,
        open_deals.stage_probability,
        open_deals.is_open,
        coalesce(open_deals.is_won, false) as is_won_since,
        open_deals.deal_amount as latest_amount
    from open_deals
    left join open_visits
        on
            open_deals.deal_id = open_visits.deal_id
            and open_deals.forecast_date = open_visits.forecast_date
    left join int_amount_changes
        on
            open_deals.deal_id = int_amount_changes.deal_id
            and open_deals.forecast_date >= int_amount_changes.known_from_date
            and open_deals.forecast_date < int_amount_changes.changed_date
    left join stage_dates
        on open_deals.forecast_date = stage_dates.forecast_date
)

select * from final
