with

int_account_segments as (
    select * from {{ ref('int_account_segments') }}
),

rates as (
    select
        segment_dimension,
        segment_value,
        closed_deal_count,
        won_deal_count,
        won_deal_count * 1.0 / closed_deal_count as win_rate
    from {{ ref('int_segment_win_counts') }}
    where
        period = 'all'
        and first_segment_value is null
        and closed_deal_count > 0
),

-- What an account won beyond what the rates of its segments lead to. Decimals, because a sum of doubles follows the order of its rows.
accounts as (
    select
        int_account_segments.segment_dimension,
        int_account_segments.account_id,
        sum(int_account_segments.deal_count) as deal_count,
        sum(cast(int_account_segments.won_deal_count - int_account_segments.deal_count * rates.win_rate as decimal(28, 10))) as residual
    from int_account_segments
    inner join rates
        on
            int_account_segments.segment_dimension = rates.segment_dimension
            and int_account_segments.segment_value = rates.segment_value
    group by int_account_segments.segment_dimension, int_account_segments.account_id
),

repeated as (
    select
        segment_dimension,
        count(*) as account_count,
        sum(deal_count * deal_count) as squared_deal_count,
        sum(cast(cast(residual as double) * cast(residual as double) / deal_count as decimal(38, 10))) as between_square
    from accounts
    group by segment_dimension
),

in_repeated as (
    select
        segment_dimension,
        segment_value,
        sum(deal_count) as deal_count,
        sum(won_deal_count) as won_deal_count
    from int_account_segments
    group by segment_dimension, segment_value
),

singles as (
    select
        rates.*,
        rates.closed_deal_count - coalesce(in_repeated.deal_count, 0) as single_deal_count,
        rates.won_deal_count - coalesce(in_repeated.won_deal_count, 0) as single_won_deal_count
    from rates
    left join in_repeated
        on
            rates.segment_dimension = in_repeated.segment_dimension
            and rates.segment_value = in_repeated.segment_value
),

dimensions as (
    select
        segment_dimension,
        sum(closed_deal_count) as deal_count,
        sum(single_deal_count) as single_deal_count,
        sum(cast(
            single_won_deal_count * (1 - win_rate) * (1 - win_rate) + (single_deal_count - single_won_deal_count) * win_rate * win_rate as decimal(38, 10)
        )) as single_square,
        sum(cast(closed_deal_count * win_rate * (1 - win_rate) as decimal(38, 10))) as total_square
    from singles
    group by segment_dimension
),

final as (
    select
        dimensions.segment_dimension,
        cast(dimensions.single_deal_count + coalesce(repeated.account_count, 0) as bigint) as account_count,
        cast(dimensions.deal_count as bigint) as deal_count,
        cast(dimensions.single_deal_count + coalesce(repeated.squared_deal_count, 0) as bigint) as squared_deal_count,
        cast(dimensions.single_square + coalesce(repeated.between_square, 0) as double) as between_square,
        cast(dimensions.total_square as double) as total_square
    from dimensions
    left join repeated
        on dimensions.segment_dimension = repeated.segment_dimension
)

select * from final
