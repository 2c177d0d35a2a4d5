-- How did win rate, velocity, RAPV gap and pushes go from month to month?
-- How much open pipeline does the quota need?
-- Metric by metric, month by month. Compare months only where period_status is complete, and read the interval first: months whose intervals overlap may be the
-- same. basis says which deals a month stands for. coverage_needed is the open amount that the quarter's quota needs (on the last day of a quarter, the next
-- one's), coverage the open amount over that. Below 1, today's open deals alone aren't expected to reach it: deals that are created and won within the quarter
-- come on top. The mart has more metrics: take the filter out to see them.
with

rpt_pipeline_health as (
    select * from {{ ref('rpt_pipeline_health') }}
    where
        metric in ('velocity', 'optimism_gap', 'pushed_rate', 'coverage_needed', 'coverage')
        or (metric = 'win_rate' and basis = 'closed_date')
),

final as (
    select
        metric_order,
        metric,
        basis,
        period_start_date,
        metric_value,
        value_lower,
        value_upper,
        deal_count,
        unit,
        period_status,
        meaning
    from rpt_pipeline_health
)

select * from final
order by metric_order asc, period_start_date asc
