with

int_replayed_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension <> 'all'
),

band_types as (
    select distinct band_type
    from {{ ref('int_bands') }}
    where band_type in ('stage_age_band', 'deal_age_band')
),

-- Where won and lost deals lack their amount unequally often, bands of amounts tell the outcome of closed deals alone. So does what is filled in or
-- changed at the close. Such a dimension counts as if it had one segment.
left_out as (
    select 'deal_size_band' as segment_dimension
    from {{ ref('int_missing_by_outcome') }}
    where
        problem = 'no_amount'
        and is_bending

    union

    select dimension as segment_dimension
    from {{ ref('int_rewritten_dimensions') }}
    where is_left_out
),

-- score: won days beyond those the cells expect. information: what one unit of log odds would add to it. score_variance: that of
-- the score if all segments were alike, the days of a deal moving together.
scores as (
    select
        days.forecast_date,
        days.band_type,
        days.segment_dimension,
        days.segment_value,
        sum(days.won_days - days.deal_days * rates.win_rate) as score,
        sum(days.deal_days * rates.win_rate * (1 - rates.win_rate)) as information,
        sum(days.weighted_days * rates.win_rate * (1 - rates.win_rate)) as score_variance
    from {{ ref('int_training_deal_days') }} as days
    inner join {{ ref('int_age_band_win_rates') }} as rates
        on
            days.forecast_date = rates.forecast_date
            and days.band_type = rates.band_type
            and days.stage = rates.stage
            and days.band = rates.band
    where
        days.segment_dimension <> 'all'
        and days.segment_dimension not in (select left_out.segment_dimension from left_out)
        and days.band <> 'all'
    group by days.forecast_date, days.band_type, days.segment_dimension, days.segment_value
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

dimensions as (
    select
        forecast_date,
        band_type,
        segment_dimension,
        max(variance_between) as variance_between
    from spreads
    group by forecast_date, band_type, segment_dimension
),

-- A segment without a mature deal has no offset, and is as uncertain as segments of its dimension differ.
final as (
    select
        int_replayed_segments.forecast_date,
        band_types.band_type,
        int_replayed_segments.segment_dimension,
        int_replayed_segments.segment_value,
        case when left_out.segment_dimension is null then int_replayed_segments.win_rate end as win_rate,
        case when left_out.segment_dimension is null then int_replayed_segments.median_cycle_days end as median_cycle_days,
        coalesce(weighted.weight * weighted.own_score / weighted.information, 0) as log_odds_offset,
        coalesce(weighted.variance_between * (1 - weighted.weight), dimensions.variance_between, 0) as log_odds_variance
    from int_replayed_segments
    cross join band_types
    left join left_out
        on int_replayed_segments.segment_dimension = left_out.segment_dimension
    left join weighted
        on
            int_replayed_segments.forecast_date = weighted.forecast_date
            and band_types.band_type = weighted.band_type
            and int_replayed_segments.segment_dimension = weighted.segment_dimension
            and int_replayed_segments.segment_value = weighted.segment_value
    left join dimensions
        on
            int_replayed_segments.forecast_date = dimensions.forecast_date
            and band_types.band_type = dimensions.band_type
            and int_replayed_segments.segment_dimension = dimensions.segment_dimension
)

select * from final
