with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

int_closing_fact_counts as (
    select * from {{ ref('int_closing_fact_counts') }}
    where segment_dimension <> 'lost_reason'
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

bands as (
    select * from {{ ref('int_bands') }}
    where band_type = 'cycle_band'
),

segments as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        cycle_days,
        is_won,
        deal_count,
        valued_deal_count,
        deal_amount,
        squared_amount,
        false as is_known_only_after_close
    from int_closed_deal_counts

    union all

    select
        bands.band_type as segment_dimension,
        bands.band as segment_value,
        int_closed_deal_counts.closed_month,
        int_closed_deal_counts.cycle_days,
        int_closed_deal_counts.is_won,
        int_closed_deal_counts.deal_count,
        int_closed_deal_counts.valued_deal_count,
        int_closed_deal_counts.deal_amount,
        int_closed_deal_counts.squared_amount,
        true as is_known_only_after_close
    from int_closed_deal_counts
    inner join bands
        on {{ in_band('int_closed_deal_counts.cycle_days', 'bands') }}
    where int_closed_deal_counts.segment_dimension = 'all'

    union all

    select
        segment_dimension,
        segment_value,
        closed_month,
        cycle_days,
        is_won,
        deal_count,
        valued_deal_count,
        deal_amount,
        squared_amount,
        true as is_known_only_after_close
    from int_closing_fact_counts
),

-- All time holds the deals too whose close has no date; they are in no other period and in no band of cycles.
final as (
    select
        segments.segment_dimension,
        segments.segment_value,
        int_periods.period,
        segments.is_known_only_after_close,
        segments.cycle_days,
        segments.is_won,
        cast(sum(segments.deal_count) as bigint) as deal_count,
        cast(sum(segments.valued_deal_count) as bigint) as valued_deal_count,
        cast(sum(segments.deal_amount) as decimal(38, 2)) as deal_amount,
        cast(sum(segments.squared_amount) as decimal(38, 4)) as squared_amount
    from segments
    inner join int_periods
        on
            int_periods.period = 'all'
            or (
                segments.closed_month >= cast({{ dbt.date_trunc('month', 'int_periods.period_start_date') }} as date)
                and segments.closed_month <= int_periods.period_end_date
            )
    where
        int_periods.period = 'all'
        or not segments.is_known_only_after_close
    group by
        segments.segment_dimension,
        segments.segment_value,
        int_periods.period,
        segments.is_known_only_after_close,
        segments.cycle_days,
        segments.is_won
)

select * from final
