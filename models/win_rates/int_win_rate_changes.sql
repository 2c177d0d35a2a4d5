with

months as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        sum(deal_count) as closed_deal_count,
        sum(case when is_won then deal_count else 0 end) as won_deal_count
    from {{ ref('int_closed_deal_counts') }}
    where closed_month is not null
    group by segment_dimension, segment_value, closed_month
),

period_types as (
    select
        types.period_type,
        types.month_count
    from (values ('month', 1), ('quarter', 3), ('half_year', 6)) as types (period_type, month_count)
),

periods as (
    select
        months.*,
        period_types.period_type,
        period_types.month_count,
        {{ period_start('months.closed_month', 'period_types.month_count') }} as period_start_date
    from months
    cross join period_types
),

-- A period is complete when it begins after the first deal was created and ends on the as-of day or before.
complete_periods as (
    select
        periods.period_type,
        periods.period_start_date,
        cast({{ dbt.dateadd('month', '(-periods.month_count)', 'periods.period_start_date') }} as date) as previous_period_start_date,
        periods.segment_dimension,
        periods.segment_value,
        cast(sum(periods.closed_deal_count) as bigint) as closed_deal_count,
        cast(sum(periods.won_deal_count) as bigint) as won_deal_count
    from periods
    inner join {{ ref('int_deal_bounds') }} as bounds
        on
            periods.period_start_date > bounds.first_created_date
            and {{ dbt.dateadd('month', 'periods.month_count', 'periods.period_start_date') }} <= {{ dbt.dateadd('day', 1, 'bounds.as_of_date') }}
    group by periods.period_type, periods.month_count, periods.period_start_date, periods.segment_dimension, periods.segment_value
),

comparisons as (
    select
        newer.period_type,
        newer.period_start_date,
        older.period_start_date as previous_period_start_date,
        newer.closed_deal_count as all_deal_count,
        older.closed_deal_count as previous_all_deal_count,
        newer.won_deal_count * 1.0 / newer.closed_deal_count as all_win_rate,
        older.won_deal_count * 1.0 / older.closed_deal_count as previous_all_win_rate
    from complete_periods as newer
    inner join complete_periods as older
        on
            newer.period_type = older.period_type
            and newer.previous_period_start_date = older.period_start_date
            and older.segment_dimension = 'all'
    where newer.segment_dimension = 'all'
),

-- A segment that closed nothing in one of the two periods stands here with 0 deals in it.
segments as (
    select
        comparisons.period_type,
        comparisons.period_start_date,
        counts.segment_dimension,
        counts.segment_value,
        sum(case when counts.period_start_date = comparisons.period_start_date then counts.closed_deal_count else 0 end) as closed_deal_count,
        sum(case when counts.period_start_date = comparisons.period_start_date then counts.won_deal_count else 0 end) as won_deal_count,
        sum(case when counts.period_start_date < comparisons.period_start_date then counts.closed_deal_count else 0 end) as previous_closed_deal_count,
        sum(case when counts.period_start_date < comparisons.period_start_date then counts.won_deal_count else 0 end) as previous_won_deal_count
    from comparisons
    inner join complete_periods as counts
        on
            comparisons.period_type = counts.period_type
            and counts.period_start_date in (comparisons.period_start_date, comparisons.previous_period_start_date)
    group by
        comparisons.period_type,
        comparisons.period_start_date,
        counts.segment_dimension,
        counts.segment_value
),

rates as (
    select
        comparisons.*,
        segments.segment_dimension,
        segments.segment_value,
        cast(segments.closed_deal_count as bigint) as closed_deal_count,
        cast(segments.won_deal_count as bigint) as won_deal_count,
        cast(segments.previous_closed_deal_count as bigint) as previous_closed_deal_count,
        cast(segments.previous_won_deal_count as bigint) as previous_won_deal_count,
        segments.won_deal_count * 1.0 / nullif(segments.closed_deal_count, 0) as win_rate,
        segments.previous_won_deal_count * 1.0 / nullif(segments.previous_closed_deal_count, 0) as previous_win_rate,
        segments.closed_deal_count * 1.0 / comparisons.all_deal_count as deal_share,
        segments.previous_closed_deal_count * 1.0 / comparisons.previous_all_deal_count as previous_deal_share
    from segments
    inner join comparisons
        on
            segments.period_type = comparisons.period_type
            and segments.period_start_date = comparisons.period_start_date
),

-- The whole piece of a segment without deals in one period is mix: whatever rate is taken for it there cancels out.
final as (
    select
        *,
        all_win_rate - previous_all_win_rate as total_change,
        coalesce((deal_share + previous_deal_share) / 2 * (win_rate - previous_win_rate), 0.0) as rate_effect,
        (deal_share - previous_deal_share) * (
            (coalesce(win_rate, previous_win_rate) + coalesce(previous_win_rate, win_rate)) / 2
            - (all_win_rate + previous_all_win_rate) / 2
        ) as mix_effect
    from rates
)

select * from final
