with

past_owners as (
    select * from {{ ref('int_past_field_values') }}
    where field = 'sales_rep_id'
),

int_replayed_deals as (
    select * from {{ ref('int_replayed_deals') }}
    where not is_as_of_date
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
    where not is_as_of_date
),

-- Deals open on the date are as old by now as nearly all get, so one still open counts as not won. None where won and lost deals lack a close
-- date or an amount unequally often.
evaluable_dates as (
    select int_forecast_dates.forecast_date
    from int_forecast_dates
    inner join {{ ref('int_closing_bounds') }} as int_closing_bounds
        on int_forecast_dates.forecast_date <= int_closing_bounds.mature_until_date
    where
        not exists (
            select 1
            from {{ ref('int_missing_by_outcome') }} as missing
            where
                missing.problem <> 'rejected'
                and missing.is_bending
        )
),

said as (
    select
        replayed.forecast_date,
        replayed.deal_id,
        coalesce(past_owners.sales_rep_id, replayed.sales_rep_id) as sales_rep_id,
        cast(replayed.deal_amount * replayed.stage_probability as decimal(18, 2)) as said_amount,
        replayed.won_amount
    from int_replayed_deals as replayed
    inner join evaluable_dates
        on replayed.forecast_date = evaluable_dates.forecast_date
    left join past_owners
        on
            replayed.deal_id = past_owners.deal_id
            and replayed.forecast_date >= past_owners.known_from_date
            and replayed.forecast_date < past_owners.changed_date
    where
        replayed.stage_probability is not null
        and replayed.deal_amount is not null
),

-- A deal stands at several dates, so its amounts are summed before they are squared; rows of dates only count them.
sums as (
    select
        sales_rep_id,
        deal_id,
        forecast_date,
        cast(sum(said_amount) as decimal(18, 2)) as said_amount,
        cast(sum(won_amount) as decimal(18, 2)) as won_amount
    from said
    group by grouping sets (  -- noqa: PRS
        (sales_rep_id, deal_id),
        (sales_rep_id, forecast_date)
    )
),

final as (
    select
        sales_rep_id,
        cast(count(forecast_date) as bigint) as forecast_date_count,
        cast(count(deal_id) as bigint) as forecast_deal_count,
        cast(sum(case when deal_id is not null and won_amount > 0 then 1 else 0 end) as bigint) as forecast_won_deal_count,
        cast(sum(case when deal_id is not null then said_amount end) as decimal(18, 2)) as forecast_amount,
        cast(sum(case when deal_id is not null then won_amount end) as decimal(18, 2)) as realised_amount,
        cast(sum(case when deal_id is not null then said_amount * said_amount end) as double) as squared_forecast_amount,
        cast(sum(case when deal_id is not null then won_amount * won_amount end) as double) as squared_realised_amount,
        cast(sum(case when deal_id is not null then said_amount * won_amount end) as double) as crossed_amount
    from sums
    group by sales_rep_id
)

select * from final
