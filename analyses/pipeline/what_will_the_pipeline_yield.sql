-- What will the pipeline yield in a bad, a middling and a good case?
-- How much money is at risk?
-- First the whole pipeline, then its segments; each dimension holds the same deals, so never add up two, nor the bad cases of segments, which won't all come
-- true. Worse than bad_case_amount comes one time in ten, better than good_case_amount too. band_status says what the band is made of, and where
-- largest_five_variance_rate is near 1 the outcome is a bet on five deals. May be empty: without open deals.
with

rpt_pipeline_value as (
    select * from {{ ref('rpt_pipeline_value') }}
),

final as (
    select
        segment_dimension,
        segment_value,
        open_deal_count,
        raw_amount,
        yield_p10_amount as bad_case_amount,
        yield_p50_amount as middling_case_amount,
        yield_p90_amount as good_case_amount,
        band_status,
        largest_five_variance_rate,
        rapv_amount,
        revenue_at_risk_amount,
        optimism_gap,
        as_of_date
    from rpt_pipeline_value
)

select * from final
order by case segment_dimension when 'all' then 1 else 2 end asc, segment_dimension asc, segment_value asc
