-- noqa: disable=layout.indent
{% set methods = value_methods() %}

with

int_deal_forecasts as (
    select * from {{ ref('int_deal_forecasts') }}
    where not is_as_of_date
),

dates as (
    select
        forecast_date,
        count(*) as open_deal_count,
        sum(case when is_still_open then 1 else 0 end) as still_open_deal_count,
        {% for method in methods -%}
            count({{ method }}_amount) as {{ method }}_deal_count,
            sum(case when {{ method }}_amount is not null then raw_amount end) as {{ method }}_raw_amount,
            sum(case when {{ method }}_amount is not null then won_amount end) as {{ method }}_realised_amount,
            sum({{ method }}_amount) as {{ method }}_forecast_amount{{ "," if not loop.last }}
        {% endfor %}
    from int_deal_forecasts
    group by forecast_date
),

forecasts as (
    {% for method in methods -%}
    select
        forecast_date,
        '{{ method }}' as method,
        open_deal_count,
        still_open_deal_count,
        {{ method }}_deal_count as valued_deal_count,
        {{ method }}_raw_amount as raw_amount,
        {{ method }}_realised_amount as realised_amount,
        cast({{ method }}_forecast_amount as double) as forecast_amount
    from dates
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}
),

judged as (
    select
        *,
        still_open_deal_count <= open_deal_count * {{ var('max_mature_open_share') }} as is_evaluable
    from forecasts
),

final as (
    select
        forecast_date,
        method,
        open_deal_count,
        cast(still_open_deal_count as bigint) as still_open_deal_count,
        valued_deal_count,
        cast(raw_amount as decimal(18, 2)) as raw_amount,
        forecast_amount,
        cast(realised_amount as decimal(18, 2)) as realised_amount,
        is_evaluable,
        case when is_evaluable then forecast_amount - realised_amount end as error_amount,
        case when is_evaluable then (forecast_amount - realised_amount) / nullif(cast(realised_amount as double), 0) end as error_rate
    from judged
)

select * from final
