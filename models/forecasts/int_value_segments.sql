with

int_replayed_segments as (
    select * from {{ ref('int_replayed_segments') }}
    where segment_dimension <> 'all'
),

int_value_offsets as (
    select * from {{ ref('int_value_offsets') }}
),

band_types as (
    select distinct band_type
    from {{ ref('bands') }}
    where band_type in ('stage_age_band', 'deal_age_band')
),

spreads as (
    select
        forecast_date,
        band_type,
        segment_dimension,
        max(variance_between) as variance_between
    from int_value_offsets
    group by forecast_date, band_type, segment_dimension
),

-- A segment without a mature deal has no offset, and is as uncertain as segments differ.
final as (
    select
        int_replayed_segments.forecast_date,
        band_types.band_type,
        int_replayed_segments.segment_dimension,
        int_replayed_segments.segment_value,
        int_replayed_segments.win_rate,
        int_replayed_segments.median_cycle_days,
        coalesce(int_value_offsets.log_odds_offset, 0) as log_odds_offset,
        coalesce(int_value_offsets.log_odds_variance, spreads.variance_between, 0) as log_odds_variance
    from int_replayed_segments
    cross join band_types
    left join spreads
        on
            int_replayed_segments.forecast_date = spreads.forecast_date
            and band_types.band_type = spreads.band_type
            and int_replayed_segments.segment_dimension = spreads.segment_dimension
    left join int_value_offsets
        on
            int_replayed_segments.forecast_date = int_value_offsets.forecast_date
            and band_types.band_type = int_value_offsets.band_type
            and int_replayed_segments.segment_dimension = int_value_offsets.segment_dimension
            and int_replayed_segments.segment_value = int_value_offsets.segment_value
)

select * from final
