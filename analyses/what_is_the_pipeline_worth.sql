-- What is the open pipeline worth after its risk, by every method, and how far to trust each? One row per method, the default first.
-- lower_amount and upper_amount are the forecast times the smallest and the greatest realised / forecast of past month ends, those whose deals
-- have closed since: what it would be if the method were off as it has been. past_error_rate is its mean absolute error there. A verdict
-- other than best or beaten means that there was too little past to judge it.
{% set methods = ['raw', 'stage_weighted', 'flat', 'segment', 'rapv', 'published_aging'] %}

with

rpt_pipeline_value as (
    select * from {{ ref('rpt_pipeline_value') }}
    where segment_dimension = 'all'
),

rpt_pipeline_value_backtest as (
    select * from {{ ref('rpt_pipeline_value_backtest') }}
    where is_evaluable
),

rpt_pipeline_value_methods as (
    select * from {{ ref('rpt_pipeline_value_methods') }}
),

amounts as (
    {% for method in methods -%}
    select
        '{{ method }}' as method,
        open_deal_count,
        raw_amount as open_amount,
        cast({{ method }}_amount as double) as forecast_amount
    from rpt_pipeline_value
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}
),

past as (
    select
        method,
        min(realised_amount / nullif(forecast_amount, 0)) as smallest_ratio,
        max(realised_amount / nullif(forecast_amount, 0)) as greatest_ratio
    from rpt_pipeline_value_backtest
    group by method
),

final as (
    select
        amounts.method,
        rpt_pipeline_value_methods.is_default,
        amounts.open_deal_count,
        amounts.open_amount,
        amounts.forecast_amount,
        amounts.forecast_amount * past.smallest_ratio as lower_amount,
        amounts.forecast_amount * past.greatest_ratio as upper_amount,
        1 - amounts.forecast_amount / amounts.open_amount as optimism_gap,
        rpt_pipeline_value_methods.evaluated_date_count,
        rpt_pipeline_value_methods.mean_absolute_error_rate as past_error_rate,
        rpt_pipeline_value_methods.verdict
    from amounts
    left join past
        on amounts.method = past.method
    left join rpt_pipeline_value_methods
        on amounts.method = rpt_pipeline_value_methods.method
)

select * from final
order by is_default desc, past_error_rate asc, method asc
