with

int_value_training as (
    select * from {{ ref('int_value_training') }}
    where segment_dimension = 'all'
),

int_replayed_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension = 'all'
),

bands as (
    select * from {{ ref('bands') }}
),

-- Days of one deal are one piece of evidence: (sum of days)^2 / sum of squared days is the number of deals they are worth.
observed as (
    select
        forecast_date,
        band_type,
        stage,
        band,
        deal_days,
        cast(won_days as double) / deal_days as observed_rate,
        cast(deal_days as double) * deal_days / squared_days as effective_deal_count
    from int_value_training
),

parents as (
    select
        observed.forecast_date,
        observed.band_type,
        observed.stage,
        int_replayed_segments.closed_deal_count,
        case
            when observed.band_type = 'deal_age_band' then int_replayed_segments.win_rate
            else
                (observed.observed_rate * observed.effective_deal_count + int_replayed_segments.win_rate * {{ var('rapv_prior_deals') }})
                / (observed.effective_deal_count + {{ var('rapv_prior_deals') }})
        end as parent_rate
    from observed
    inner join int_replayed_segments
        on observed.forecast_date = int_replayed_segments.forecast_date
    where observed.band = 'all'
),

cells as (
    select
        parents.*,
        bands.band,
        bands.band_order,
        bands.lower_bound,
        bands.upper_bound,
        coalesce(observed.deal_days, 0) as deal_days,
        coalesce(observed.observed_rate, parents.parent_rate) as observed_rate,
        coalesce(observed.effective_deal_count, 0) as effective_deal_count
    from parents
    inner join bands
        on parents.band_type = bands.band_type
    left join observed
        on
            parents.forecast_date = observed.forecast_date
            and parents.band_type = observed.band_type
            and parents.stage = observed.stage
            and bands.band = observed.band
),

spreads as (
    select
        forecast_date,
        band_type,
        stage,
        sum(case when deal_days > 0 then 1 else 0 end) as seen_count,
        (
            sum(effective_deal_count * power(observed_rate - parent_rate, 2))
            - sum(case when deal_days > 0 then 1 else 0 end) * max(parent_rate * (1 - parent_rate))
        ) / sum(effective_deal_count) as variance_between
    from cells
    group by forecast_date, band_type, stage
),

-- Null: the bands don't differ by more than chance, and all take the parent's rate.
priors as (
    select
        cells.*,
        case
            when cells.band_type = 'stage_age_band' then {{ var('rapv_prior_deals') }}
            when spreads.seen_count < 3 then {{ var('default_prior_deals') }}
            when spreads.variance_between > 0
                then greatest(0, cells.parent_rate * (1 - cells.parent_rate) / spreads.variance_between - 1)
        end as prior_deal_count
    from cells
    inner join spreads
        on
            cells.forecast_date = spreads.forecast_date
            and cells.band_type = spreads.band_type
            and cells.stage = spreads.stage
),

rates as (
    select
        *,
        case
            when prior_deal_count is null or effective_deal_count = 0 then parent_rate
            else (observed_rate * effective_deal_count + parent_rate * prior_deal_count) / (effective_deal_count + prior_deal_count)
        end as win_rate,
        coalesce(effective_deal_count + prior_deal_count, closed_deal_count) as evidence_deal_count
    from priors
),

final as (
    select
        forecast_date,
        band_type,
        stage,
        band,
        lower_bound,
        upper_bound,
        cast(deal_days as bigint) as deal_days,
        effective_deal_count,
        prior_deal_count,
        parent_rate,
        win_rate,
        case when win_rate > 0 and win_rate < 1 then ln(win_rate / (1 - win_rate)) end as win_log_odds,
        case when win_rate > 0 and win_rate < 1 and evidence_deal_count > 0 then 1 / (evidence_deal_count * win_rate * (1 - win_rate)) end as log_odds_variance
    from rates
)

select * from final
