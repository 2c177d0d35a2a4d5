with

int_age_band_observed_rates as (
    select * from {{ ref('int_age_band_observed_rates') }}
),

spreads as (
    select
        *,
        count(observed_rate) over siblings as seen_count,
        (
            sum(effective_deal_count * power(observed_rate - parent_rate, 2)) over siblings
            - count(observed_rate) over siblings * parent_rate * (1 - parent_rate)
        ) / nullif(sum(effective_deal_count) over siblings, 0) as variance_between
    from int_age_band_observed_rates
    window siblings as (partition by forecast_date, band_type, stage)
),

-- Null: the bands differ by no more than chance, and all take the parent's rate.
priors as (
    select
        *,
        case
            when band_type = 'stage_age_band' then {{ var('rapv_prior_deals') }}
            when seen_count < 3 then {{ var('default_prior_deals') }}
            when variance_between > 0 then greatest(0, parent_rate * (1 - parent_rate) / variance_between - 1)
        end as prior_deal_count
    from spreads
),

rates as (
    select
        *,
        coalesce(effective_deal_count + prior_deal_count, closed_deal_count) as evidence_deal_count,
        case
            when observed_rate is null or prior_deal_count is null then parent_rate
            else (observed_rate * effective_deal_count + parent_rate * prior_deal_count) / (effective_deal_count + prior_deal_count)
        end as win_rate
    from priors
),

-- A rate of 0 or 1 has no log odds: nothing that is added to them moves it.
final as (
    select
        forecast_date,
        band_type,
        stage,
        band,
        lower_bound,
        upper_bound,
        effective_deal_count,
        cast(prior_deal_count as double) as prior_deal_count,
        parent_rate,
        win_rate,
        case when win_rate > 0 and win_rate < 1 then ln(win_rate / (1 - win_rate)) end as win_log_odds,
        case when win_rate > 0 and win_rate < 1 then 1 / (evidence_deal_count * win_rate * (1 - win_rate)) end as log_odds_variance
    from rates
)

select * from final
