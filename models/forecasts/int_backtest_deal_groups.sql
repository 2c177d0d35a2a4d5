-- noqa: disable=layout.indent
{% set default = var('default_value_method') ~ '_amount' %}

with

int_deal_forecasts as (
    select * from {{ ref('int_deal_forecasts') }}
    where not is_as_of_date
),

groups as (
    select
        forecast_date,
        {{ amount_class('raw_amount') }} as amount_class,
        {{ probability_class(default, 'raw_amount') }} as probability_class,
        count(*) as open_deal_count,
        sum(case when is_still_open then 1 else 0 end) as still_open_deal_count,
        {% for method in value_methods() -%}
            count({{ method }}_amount) as {{ method }}_deal_count,
            sum(case when {{ method }}_amount is not null then raw_amount end) as {{ method }}_raw_amount,
            sum(case when {{ method }}_amount is not null then won_amount end) as {{ method }}_realised_amount,
            cast(sum({{ method }}_amount) as double) as {{ method }}_forecast_amount{{ "," if not loop.last }}
        {% endfor %}
    from int_deal_forecasts
    group by
        forecast_date,
        {{ amount_class('raw_amount') }},
        {{ probability_class(default, 'raw_amount') }}
),

final as (
    select
        *,
        sum(still_open_deal_count) over (partition by forecast_date)
        <= sum(open_deal_count) over (partition by forecast_date) * {{ var('max_mature_open_share') }} as is_evaluable
    from groups
)

select * from final
