with

int_training_deal_days as (
    select * from {{ ref('int_training_deal_days') }}
    where segment_dimension = 'all'
),

int_replayed_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension = 'all'
),

int_stages as (
    select * from {{ ref('int_stages') }}
    where not is_closed
),

bands as (
    select * from {{ ref('bands') }}
),

age_stages as (
    select
        'stage_age_band' as band_type,
        stage
    from int_stages

    union all

    select
        'deal_age_band' as band_type,
        'all' as stage
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
    from int_training_deal_days
),

trained as (
    select distinct
        forecast_date,
        band_type
    from observed
),

-- The parent of a stage's bands is the stage, and the stage's is the rate of all closed deals, as it is of the bands of deal age.
parents as (
    select
        trained.forecast_date,
        trained.band_type,
        age_stages.stage,
        int_replayed_segments.closed_deal_count,
        case
            when trained.band_type = 'stage_age_band'
                then coalesce(
                    (observed.observed_rate * observed.effective_deal_count + int_replayed_segments.win_rate * {{ var('rapv_prior_deals') }})
                    / (observed.effective_deal_count + {{ var('rapv_prior_deals') }}),
                    int_replayed_segments.win_rate
                )
            else int_replayed_segments.win_rate
        end as parent_rate
    from trained
    inner join age_stages
        on trained.band_type = age_stages.band_type
    inner join int_replayed_segments
        on trained.forecast_date = int_replayed_segments.forecast_date
    left join observed
        on
            trained.forecast_date = observed.forecast_date
            and trained.band_type = observed.band_type
            and age_stages.stage = observed.stage
            and observed.band = 'all'
),

final as (
    select
        parents.*,
        bands.band,
        bands.lower_bound,
        bands.upper_bound,
        observed.observed_rate,
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
)

select * from final
