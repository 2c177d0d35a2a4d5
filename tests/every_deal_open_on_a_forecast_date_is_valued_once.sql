-- The states of a deal tile its life, so that the replays of a date hold as many deals as were open at its end.
with

expected as (
    select
        forecast_date,
        sum(open_deal_count) as deal_count
    from {{ ref('int_cohort_maturity') }}
    group by forecast_date
),

replayed as (
    select distinct
        forecast_date,
        open_deal_count as deal_count
    from {{ ref('rpt_pipeline_value_backtest') }}

    union all

    select
        as_of_date as forecast_date,
        count(*) as deal_count
    from {{ ref('fct_deal_values') }}
    group by as_of_date
)

select
    expected.forecast_date,
    expected.deal_count,
    replayed.deal_count as replayed_deal_count
from expected
left join replayed
    on expected.forecast_date = replayed.forecast_date
where expected.deal_count <> coalesce(replayed.deal_count, 0)
