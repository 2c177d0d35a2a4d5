{% set segments = ['all'] + dimensions_of('rapv_offset_dimensions') %}

with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
    where segment_dimension in ('{{ segments | join("', '") }}')
),

-- Cohorts, each on the date from which it trains.
int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
    where forecast_date = mature_from_date
),

bands as (
    select
        band_type,
        band,
        cast(floor(coalesce(lower_bound, -1)) as bigint) as lower_bound,
        cast(floor(upper_bound) as bigint) as upper_bound
    from {{ ref('int_bands') }}
    where band_type in ('stage_age_band', 'deal_age_band')
),

-- The whole life is a band too: the parent of the others.
all_bands as (
    select * from bands

    union all

    select distinct
        band_type,
        'all' as band,
        cast(-1 as bigint) as lower_bound,
        cast(null as bigint) as upper_bound
    from bands
),

lives as (
    select
        'stage_age_band' as band_type,
        segment_dimension,
        segment_value,
        trained_from_date,
        is_won,
        stage,
        open_days,
        visit_count as life_count,
        total_cycle_days
    from {{ ref('int_visit_day_counts') }}

    union all

    select
        'deal_age_band' as band_type,
        closed.segment_dimension,
        closed.segment_value,
        greatest(int_cohort_maturity.mature_from_date, closed.closed_month) as trained_from_date,
        closed.is_won,
        'all' as stage,
        closed.cycle_days as open_days,
        closed.deal_count as life_count,
        closed.deal_count * closed.cycle_days as total_cycle_days
    from int_closed_deal_counts as closed
    inner join int_cohort_maturity
        on closed.cohort_month = int_cohort_maturity.cohort_month
    where closed.cycle_days > 0
),

-- Seen at ages 0, 1, ... open_days - 1; those in (lower_bound, upper_bound] are the band's.
banded as (
    select
        lives.*,
        all_bands.band,
        least(lives.open_days - 1, coalesce(all_bands.upper_bound, lives.open_days - 1)) - all_bands.lower_bound as band_days
    from lives
    inner join all_bands
        on
            lives.band_type = all_bands.band_type
            and lives.open_days - 1 > all_bands.lower_bound
),

counted as (
    select
        band_type,
        stage,
        band,
        segment_dimension,
        segment_value,
        trained_from_date,
        sum(case when is_won then life_count * band_days else 0 end) as won_days,
        sum(life_count * band_days) as deal_days,
        sum(life_count * band_days * band_days) as squared_days,
        sum(total_cycle_days * band_days) as weighted_days
    from banded
    group by band_type, stage, band, segment_dimension, segment_value, trained_from_date
),

final as (
    select
        dates.forecast_date,
        counted.band_type,
        counted.stage,
        counted.band,
        counted.segment_dimension,
        counted.segment_value,
        cast(sum(counted.won_days) as bigint) as won_days,
        cast(sum(counted.deal_days) as bigint) as deal_days,
        cast(sum(counted.squared_days) as bigint) as squared_days,
        cast(sum(counted.weighted_days) as bigint) as weighted_days
    from counted
    inner join {{ ref('int_forecast_dates') }} as dates
        on counted.trained_from_date <= dates.forecast_date
    group by dates.forecast_date, counted.band_type, counted.stage, counted.band, counted.segment_dimension, counted.segment_value
)

select * from final
