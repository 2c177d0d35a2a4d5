{{ config(tags = ['code']) }}
-- States tile the life of a deal: each deal that was open at the end of a forecast date is replayed there exactly once.
-- It reads every replay and tests the code, not the data, so a plain build leaves it out.
with

expected as (
    select
        dates.forecast_date,
        count(deals.deal_id) as deal_count
    from {{ ref('int_forecast_dates') }} as dates
    left join {{ ref('int_dated_deals') }} as deals
        on
            dates.forecast_date >= deals.created_date
            and dates.forecast_date < coalesce(deals.closed_date, cast('9999-12-31' as date))
    group by dates.forecast_date
),

replayed as (
    select
        forecast_date,
        count(*) as row_count,
        count(distinct deal_id) as deal_count
    from {{ ref('int_replayed_deals') }}
    group by forecast_date
)

select
    expected.forecast_date,
    expected.deal_count,
    replayed.row_count
from expected
left join replayed
    on expected.forecast_date = replayed.forecast_date
where
    expected.deal_count <> coalesce(replayed.row_count, 0)
    or expected.deal_count <> coalesce(replayed.deal_count, 0)
