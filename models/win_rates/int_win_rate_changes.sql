with

int_win_rate_comparisons as (
    select * from {{ ref('int_win_rate_comparisons') }}
),

months as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        cast(sum(deal_count) as integer) as deal_count,
        cast(sum(case when is_won then deal_count else 0 end) as integer) as won_count
    from {{ ref('int_closed_deal_counts') }}
    where closed_month is not null
    group by segment_dimension, segment_value, closed_month
),

-- A dimension that the file doesn't have has one segment, of which nothing is known.
known_dimensions as (
    select segment_dimension
    from months
    group by segment_dimension
    having segment_dimension = 'all' or not bool_and(segment_value = 'Unknown')
),

-- A segment that closed nothing in one of the two periods stands here with 0 deals in it.
segments as (
    select
        comparisons.period_type,
        comparisons.period_start_date,
        comparisons.previous_period_start_date,
        comparisons.comparison,
        months.segment_dimension,
        months.segment_value,
        cast(sum(case when comparisons.is_previous then 0 else months.deal_count end) as bigint) as closed_deal_count,
        cast(sum(case when comparisons.is_previous then 0 else months.won_count end) as bigint) as won_deal_count,
        cast(sum(case when comparisons.is_previous then months.deal_count else 0 end) as bigint) as previous_closed_deal_count,
        cast(sum(case when comparisons.is_previous then months.won_count else 0 end) as bigint) as previous_won_deal_count,
        sum(case when comparisons.is_previous then 0 else comparisons.deal_weight * months.deal_count end) as weight,
        sum(case when comparisons.is_previous then 0 else comparisons.deal_weight * months.won_count end) as won_weight,
        sum(case when comparisons.is_previous then comparisons.deal_weight * months.deal_count else 0 end) as previous_weight,
        sum(case when comparisons.is_previous then comparisons.deal_weight * months.won_count else 0 end) as previous_won_weight
    from int_win_rate_comparisons as comparisons
    inner join months
        on comparisons.closed_month = months.closed_month
    inner join known_dimensions
        on months.segment_dimension = known_dimensions.segment_dimension
    group by
        comparisons.period_type,
        comparisons.period_start_date,
        comparisons.previous_period_start_date,
        comparisons.comparison,
        months.segment_dimension,
        months.segment_value
),

rates as (
    select
        *,
        won_weight / nullif(weight, 0) as win_rate,
        previous_won_weight / nullif(previous_weight, 0) as previous_win_rate,
        weight / sum(weight) over dimension as deal_share,
        previous_weight / sum(previous_weight) over dimension as previous_deal_share,
        sum(won_weight) over dimension / sum(weight) over dimension as all_win_rate,
        sum(previous_won_weight) over dimension / sum(previous_weight) over dimension as previous_all_win_rate
    from segments
    window dimension as (partition by period_type, period_start_date, segment_dimension)
),

-- A month says little, and what no season explains says more: a half-year or a quarter against the year before comes first.
headline as (
    select
        period_type,
        max(period_start_date) as period_start_date
    from int_win_rate_comparisons
    group by period_type
    order by
        period_type <> 'month' and max_by(comparison, period_start_date) = 'year_on_year' desc,
        period_type = 'half_year' desc,
        period_type = 'quarter' desc
    limit 1
),

-- The whole piece of a segment without deals in one period is mix: whatever rate is taken for it there cancels out.
final as (
    select
        rates.period_type,
        rates.period_start_date,
        rates.previous_period_start_date,
        rates.comparison,
        headline.period_type is not null as is_headline,
        rates.segment_dimension,
        rates.segment_value,
        rates.closed_deal_count,
        rates.won_deal_count,
        rates.win_rate,
        rates.deal_share,
        rates.previous_closed_deal_count,
        rates.previous_won_deal_count,
        rates.previous_win_rate,
        rates.previous_deal_share,
        rates.all_win_rate,
        rates.previous_all_win_rate,
        rates.all_win_rate - rates.previous_all_win_rate as total_change,
        coalesce((rates.deal_share + rates.previous_deal_share) / 2 * (rates.win_rate - rates.previous_win_rate), 0.0) as rate_effect,
        (rates.deal_share - rates.previous_deal_share) * (
            (coalesce(rates.win_rate, rates.previous_win_rate) + coalesce(rates.previous_win_rate, rates.win_rate)) / 2
            - (rates.all_win_rate + rates.previous_all_win_rate) / 2
        ) as mix_effect
    from rates
    left join headline
        on
            rates.period_type = headline.period_type
            and rates.period_start_date = headline.period_start_date
)

select * from final
