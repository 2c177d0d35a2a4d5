-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}
{% set dimensions = (['sales_rep_id'] + var('rapv_segment_dimensions') + dimensions_of('rapv_offset_dimensions')) | unique | list %}

with

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

int_deal_states as (
    select * from {{ ref('int_deal_states') }}
),

int_past_amounts as (
    select * from {{ ref('int_past_amounts') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

stage_dates as (
    select distinct forecast_date
    from {{ ref('int_age_band_win_rates') }}
    where band_type = 'stage_age_band'
),

dates as (
    select
        int_forecast_dates.forecast_date,
        int_forecast_dates.is_as_of_date,
        stage_dates.forecast_date is not null as has_stage_rates
    from int_forecast_dates
    left join stage_dates
        on int_forecast_dates.forecast_date = stage_dates.forecast_date
),

-- `case` keeps the planner from sorting all deals for a range join with a few dates.
open_deals as (
    select
        int_deal_states.*,
        dates.forecast_date,
        dates.is_as_of_date,
        dates.has_stage_rates,
        int_deal_states.stage is not null and dates.has_stage_rates as is_valued_by_stage,
        {{ dbt.datediff('int_deal_states.entered_date', 'dates.forecast_date', 'day') }} as days_in_stage,
        {{ dbt.datediff('int_deal_states.created_date', 'dates.forecast_date', 'day') }} as age_days
    from int_deal_states
    inner join dates
        on case when int_deal_states.from_date <= dates.forecast_date and int_deal_states.until_date > dates.forecast_date then 1 else 0 end = 1
),

final as (
    select
        open_deals.forecast_date,
        open_deals.is_as_of_date,
        open_deals.deal_id,
        open_deals.stage,
        open_deals.has_stage_rates,
        open_deals.age_days,
        case when open_deals.is_valued_by_stage then 'stage_age_band' else 'deal_age_band' end as band_type,
        case when open_deals.is_valued_by_stage then open_deals.stage else 'all' end as cell_stage,
        case when open_deals.is_valued_by_stage then open_deals.days_in_stage else open_deals.age_days end as cell_age_days,
        {% for dimension in dimensions -%}
            {% if dimension == 'deal_size_band' -%}
            coalesce(int_past_amounts.known_size_band, open_deals.deal_size_band) as deal_size_band,
            {% else -%}
            open_deals.{{ dimension }},
            {% endif -%}
        {% endfor -%}
        coalesce(int_past_amounts.known_amount, open_deals.deal_amount) as deal_amount,
        coalesce(
            case when open_deals.is_as_of_date and open_deals.stage_probability between 0 and 1 then open_deals.stage_probability end,
            int_stages.default_probability
        ) as stage_probability,
        open_deals.is_open as is_still_open,
        case when open_deals.is_won then coalesce(open_deals.deal_amount, int_past_amounts.known_amount) else 0 end as won_amount
    from open_deals
    left join int_past_amounts
        on
            open_deals.deal_id = int_past_amounts.deal_id
            and open_deals.forecast_date >= int_past_amounts.known_from_date
            and open_deals.forecast_date < int_past_amounts.changed_date
    left join int_stages
        on open_deals.stage = int_stages.stage
)

select * from final
