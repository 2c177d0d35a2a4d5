{% set segments = ['all'] + var('rapv_offset_dimensions') %}

with

int_visit_day_counts as (
    select * from {{ ref('int_visit_day_counts') }}
),

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
    where segment_dimension in ('{{ segments | join("', '") }}')
),

int_training_cohorts as (
    select * from {{ ref('int_training_cohorts') }}
),

bands as (
    select
        band_type,
        band,
        cast(floor(coalesce(lower_bound, -1)) as bigint) as lower_bound,
        cast(floor(upper_bound) as bigint) as upper_bound
    from {{ ref('bands') }}
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
    from int_visit_day_counts

    union all

    select
        'deal_age_band' as band_type,
        int_closed_deal_counts.segment_dimension,
        int_closed_deal_counts.segment_value,
        greatest(int_training_cohorts.mature_from_date, int_closed_deal_counts.closed_month) as trained_from_date,
        int_closed_deal_counts.is_won,
        'all' as stage,
        int_closed_deal_counts.cycle_days as open_days,
        int_closed_deal_counts.deal_count as life_count,
        int_closed_deal_counts.deal_count * int_closed_deal_counts.cycle_days as total_cycle_days
    from int_closed_deal_counts
    inner join int_training_cohorts
        on int_closed_deal_counts.cohort_month = int_training_cohorts.cohort_month
    where int_closed_deal_counts.cycle_days > 0
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

final as (
    select
        band_type,
        stage,
        band,
        segment_dimension,
        segment_value,
        trained_from_date,
        is_won,
        cast(sum(life_count * band_days) as bigint) as deal_days,
        cast(sum(life_count * band_days * band_days) as bigint) as squared_days,
        cast(sum(total_cycle_days * band_days) as bigint) as weighted_days
    from banded
    group by band_type, stage, band, segment_dimension, segment_value, trained_from_date, is_won
)

select * from final
