-- How good are reps' forecast calls?
-- One row per rep, category and period that is over, the newest first: the first and the last call against what the rep won. An error above 0 means that too
-- much was called; the first call of a period is the harder one. May be empty: without forecast calls, or before a period of one is over.
with

fct_forecast_calls as (
    select * from {{ ref('fct_forecast_calls') }}
    where is_period_over
),

ranked as (
    select
        *,
        row_number() over (partition by sales_rep_id, period_start_date, lower(category) order by called_at asc) as call_number
    from fct_forecast_calls
),

final as (
    select
        sales_rep_id,
        period_start_date,
        period_end_date,
        lower(category) as category,
        count(*) as call_count,
        max(case when call_number = 1 then call_amount end) as first_call_amount,
        max(case when is_latest then call_amount end) as last_call_amount,
        max(won_amount) as won_amount,
        max(case when call_number = 1 then error_amount end) as first_error_amount,
        max(case when is_latest then error_amount end) as last_error_amount
    from ranked
    group by sales_rep_id, period_start_date, period_end_date, lower(category)
)

select * from final
order by period_start_date desc, sales_rep_id asc, category asc
