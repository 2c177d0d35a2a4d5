with

int_value_training as (
    select * from {{ ref('int_value_training') }}
    where
        segment_dimension <> 'all'
        and band <> 'all'
),

int_value_rates as (
    select * from {{ ref('int_value_rates') }}
),

-- score: won days beyond those the cells expect. information: what one unit of log odds would add to it. score_variance: that of
-- the score if all segments were alike, the days of a deal moving together.
scores as (
    select
        int_value_training.forecast_date,
        int_value_training.band_type,
        int_value_training.segment_dimension,
        int_value_training.segment_value,
        sum(int_value_training.won_days - int_value_training.deal_days * int_value_rates.win_rate) as score,
        sum(int_value_training.deal_days * int_value_rates.win_rate * (1 - int_value_rates.win_rate)) as information,
        sum(int_value_training.weighted_days * int_value_rates.win_rate * (1 - int_value_rates.win_rate)) as score_variance
    from int_value_training
    inner join int_value_rates
        on
            int_value_training.forecast_date = int_value_rates.forecast_date
            and int_value_training.band_type = int_value_rates.band_type
            and int_value_training.stage = int_value_rates.stage
            and int_value_training.band = int_value_rates.band
    group by
        int_value_training.forecast_date,
        int_value_training.band_type,
        int_value_training.segment_dimension,
        int_value_training.segment_value
),

-- Segments differ from each other: what all of a dimension have in common is not theirs.
centred as (
    select
        *,
        score - information * sum(score) over dimensions / sum(information) over dimensions as own_score
    from scores
    where information > 0
    window dimensions as (partition by forecast_date, band_type, segment_dimension)
),

spreads as (
    select
        *,
        greatest(
            0,
            sum(own_score * own_score - score_variance) over dimensions / sum(information * information) over dimensions
        ) as variance_between
    from centred
    window dimensions as (partition by forecast_date, band_type, segment_dimension)
),

-- The share of a segment's difference that is not chance.
weighted as (
    select
        *,
        variance_between / (variance_between + score_variance / (information * information)) as weight
    from spreads
),

final as (
    select
        forecast_date,
        band_type,
        segment_dimension,
        segment_value,
        variance_between,
        weight,
        weight * own_score / information as log_odds_offset,
        variance_between * (1 - weight) as log_odds_variance
    from weighted
)

select * from final
