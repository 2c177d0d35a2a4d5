-- Which method was nearest to what came?
-- How often did the band hold?
-- What the open pipeline is worth by each method, and how far each was off at past month ends; the nearest first. mean_error_rate above 0 means too high as a
-- rule. within_band_rate should be about 0.8; month ends share deals, so a dozen of them can't tell 0.6 from it. stage_weighted is about the
-- valued_deal_count alone that have a CRM probability. Without open deals the amounts are null and the past remains.
{% set methods = ['raw', 'stage_weighted', 'flat', 'segment', 'rapv', 'model', 'published_aging'] %}

with

rpt_pipeline_value as (
    select * from {{ ref('rpt_pipeline_value') }}
    where segment_dimension = 'all'
),

rpt_pipeline_value_methods as (
    select * from {{ ref('rpt_pipeline_value_methods') }}
),

amounts as (
    {% for method in methods -%}
    select
        '{{ method }}' as method,
        {{ 'stage_weighted' if method == 'stage_weighted' else 'open' }}_deal_count as valued_deal_count,
        cast({{ method }}_amount as double) as forecast_amount
    from rpt_pipeline_value
    {{ 'union all' if not loop.last }}
    {% endfor -%}
),

final as (
    select
        methods.method,
        methods.is_default,
        amounts.valued_deal_count,
        amounts.forecast_amount,
        methods.evaluated_date_count,
        methods.mean_absolute_error_rate,
        methods.mean_error_rate,
        methods.forecast_to_realised_ratio,
        methods.band_date_count,
        methods.within_band_rate,
        methods.verdict
    from rpt_pipeline_value_methods as methods
    left join amounts
        on methods.method = amounts.method
)

select * from final
order by mean_absolute_error_rate asc, method asc
