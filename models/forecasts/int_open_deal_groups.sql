-- noqa: disable=layout.indent
{% set dimensions = pipeline_dimensions() %}
{% set default = var('default_value_method') ~ '_amount' %}

with

int_deal_forecasts as (
    select * from {{ ref('int_deal_forecasts') }}
    where
        is_as_of_date
        and {{ default }} is not null
),

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

deals as (
    select
        {% for dimension in var('segment_dimensions') -%}
            int_deals.{{ dimension }},
        {% endfor -%}
        coalesce(int_deal_forecasts.stage, int_deals.deal_stage, 'Unknown') as deal_stage,
        {{ expected_close_month('int_deals.expected_close_date') }} as expected_close_month,
        int_deal_forecasts.forecast_date,
        {{ amount_class('int_deal_forecasts.raw_amount') }} as amount_class,
        {{ probability_class('int_deal_forecasts.' ~ default, 'int_deal_forecasts.raw_amount') }} as probability_class,
        int_deal_forecasts.raw_amount,
        int_deal_forecasts.{{ default }} as forecast_amount
    from int_deal_forecasts
    inner join int_deals
        on int_deal_forecasts.deal_id = int_deals.deal_id
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        forecast_date,
        amount_class,
        probability_class,
        count(*) as deal_count,
        sum(raw_amount) as raw_amount,
        cast(sum(forecast_amount) as double) as forecast_amount
    from deals
    group by {{ segment_sets(['forecast_date', 'amount_class', 'probability_class'], dimensions) }}  -- noqa: PRS
)

select * from final
