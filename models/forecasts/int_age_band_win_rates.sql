with

age_stages as (
    select
        'stage_age_band' as band_type,
        stage
    from {{ ref('int_stages') }}
    where not is_closed

    union all

    select
        'deal_age_band' as band_type,
        'all' as stage
),

-- Where won and lost deals lack their close date unequally often, the days of the others say nothing about the rate of all.
bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where problem = 'no_close_date' and is_bending
),

-- Days of one deal are one piece of evidence: (sum of days)^2 / sum of squared days is the number of deals they are worth.
observed as (
    select
        forecast_date,
        band_type,
        stage,
        band,
        cast(won_days as double) / deal_days as observed_rate,
        cast(deal_days as double) * deal_days / squared_days as effective_deal_count
    from {{ ref('int_training_deal_days') }}
    where segment_dimension = 'all' and not exists (select 1 from bent)
),

trained as (
    select distinct
        forecast_date,
        band_type
    from observed

    union all

    select
        forecast_date,
        'deal_age_band' as band_type
    from {{ ref('int_forecast_dates') }}
    where exists (select 1 from bent)
),

-- The parent of a stage's bands is the stage, and the stage's is the rate of all closed deals, as it is of the bands of deal age.
parents as (
    select
        trained.forecast_date,
        trained.band_type,
        age_stages.stage,
        closed.closed_deal_count,
        coalesce(
            case
                when trained.band_type = 'stage_age_band'
                    then
                        (observed.observed_rate * observed.effective_deal_count + closed.win_rate * {{ var('rapv_prior_deals') }})
                        / (observed.effective_deal_count + {{ var('rapv_prior_deals') }})
            end,
            closed.win_rate
        ) as parent_rate
    from trained
    inner join age_stages
        on trained.band_type = age_stages.band_type
    inner join {{ ref('int_replayed_segments') }} as closed
        on trained.forecast_date = closed.forecast_date and closed.segment_dimension = 'all'
    left join observed
        on
            trained.forecast_date = observed.forecast_date and trained.band_type = observed.band_type
            and age_stages.stage = observed.stage
            and observed.band = 'all'
),

cells as (
    select
        parents.*,
        bands.band,
        bands.lower_bound,
        bands.upper_bound,
        observed.observed_rate,
        coalesce(observed.effective_deal_count, 0) as effective_deal_count
    from parents
    inner join {{ ref('int_bands') }} as bands
        on parents.band_type = bands.band_type
    left join observed
        on
            parents.forecast_date = observed.forecast_date
            and parents.band_type = observed.band_type
            and parents.stage = observed.stage and bands.band = observed.band
),

spreads as (
    select
        *,
        count(observed_rate) over siblings as seen_count,
        (
            sum(effective_deal_count * power(observed_rate - parent_rate, 2)) over siblings
            - count(observed_rate) over siblings * parent_rate * (1 - parent_rate)
        ) / nullif(sum(effective_deal_count) over siblings, 0) as variance_between
    from cells
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
