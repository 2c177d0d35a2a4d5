-- As of every forecast date: a cohort is mature when its youngest deal is older than the Kaplan-Meier quantile of the time to
-- close (open deals censored) and hardly any of it is still open. Quantile not reached: nothing is mature.
with

int_forecast_dates as (
    select forecast_date from {{ ref('int_forecast_dates') }}
    {%- if var('train_as_of_date', none) %}

    union

    select cast('{{ var("train_as_of_date") }}' as date) as forecast_date
    {%- endif %}
),

deal_dates as (
    select
        created_date,
        cohort_month,
        closed_date,
        count(*) as deal_count
    from {{ ref('int_dated_deals') }}
    group by created_date, cohort_month, closed_date
),

replayed as (
    select
        int_forecast_dates.forecast_date,
        deal_dates.cohort_month,
        deal_dates.created_date,
        deal_dates.deal_count,
        case when deal_dates.closed_date <= int_forecast_dates.forecast_date then deal_dates.closed_date end as closed_date
    from deal_dates
    inner join int_forecast_dates
        on deal_dates.created_date <= int_forecast_dates.forecast_date
),

aged as (
    select
        *,
        closed_date is not null as is_closed,
        {{ dbt.datediff('created_date', 'coalesce(closed_date, forecast_date)', 'day') }} as age_days
    from replayed
),

ages as (
    select
        forecast_date,
        age_days,
        sum(case when is_closed then deal_count else 0 end) as closed_count,
        sum(deal_count) as deal_count
    from aged
    group by forecast_date, age_days
),

at_risk as (
    select
        *,
        sum(deal_count) over (partition by forecast_date order by age_days desc) as at_risk_count
    from ages
),

-- ln(0) is no number: once all at risk have closed, survival is 0.
survival as (
    select
        forecast_date,
        age_days,
        max(case when closed_count = at_risk_count then 1 else 0 end) over ages_so_far as have_all_closed,
        sum(case when closed_count < at_risk_count then ln(1 - closed_count * 1.0 / at_risk_count) else 0 end)
            over ages_so_far as log_open_share
    from at_risk
    window ages_so_far as (partition by forecast_date order by age_days)
),

horizons as (
    select
        forecast_date,
        min(age_days) as maturity_days
    from survival
    where have_all_closed = 1 or exp(log_open_share) <= 1 - {{ var('maturity_quantile') }} + 1e-12
    group by forecast_date
),

cohorts as (
    select
        forecast_date,
        cohort_month,
        {{ dbt.datediff('max(created_date)', 'forecast_date', 'day') }} as youngest_age_days,
        sum(deal_count) as deal_count,
        sum(case when not is_closed then deal_count else 0 end) as open_deal_count
    from aged
    group by forecast_date, cohort_month
),

matured as (
    select
        cohorts.forecast_date,
        cohorts.cohort_month,
        cast(cohorts.deal_count as bigint) as deal_count,
        cast(cohorts.open_deal_count as bigint) as open_deal_count,
        horizons.maturity_days,
        coalesce(
            cohorts.youngest_age_days > horizons.maturity_days
            and cohorts.open_deal_count <= cohorts.deal_count * {{ var('max_mature_open_share') }},
            false
        ) as is_mature
    from cohorts
    left join horizons
        on cohorts.forecast_date = horizons.forecast_date
),

final as (
    select
        *,
        min(case when is_mature and forecast_date in (select dates.forecast_date from {{ ref('int_forecast_dates') }} as dates) then forecast_date end)
            over (partition by cohort_month order by forecast_date) as mature_from_date
    from matured
)

select * from final
