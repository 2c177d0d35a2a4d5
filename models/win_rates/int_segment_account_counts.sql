with

int_account_segments as (
    select * from {{ ref('int_account_segments') }}
),

int_segment_win_counts as (
    select * from {{ ref('int_segment_win_counts') }}
    where
        first_segment_value is null
        and segment_dimension not in ('all', 'account_id')
),

accounts as (
    select count(account_id) > 0 as are_known
    from {{ ref('int_deals') }}
),

repeated as (
    select
        segment_dimension,
        segment_value,
        unnest(['all', 'last_4_quarters', 'prior_4_quarters']) as period,
        unnest([deal_count, last_deal_count, prior_deal_count]) as deal_count
    from int_account_segments
),

sums as (
    select
        segment_dimension,
        segment_value,
        period,
        count(*) as account_count,
        cast(sum(deal_count) as bigint) as deal_count,
        cast(sum(deal_count * deal_count) as bigint) as squared_deal_count
    from repeated
    where deal_count > 0
    group by segment_dimension, segment_value, period
),

-- A deal whose account isn't known, or has no other, is an account by itself.
final as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.period,
        cast(counts.closed_deal_count - coalesce(sums.deal_count, 0) + coalesce(sums.account_count, 0) as bigint) as account_count,
        cast(counts.closed_deal_count - coalesce(sums.deal_count, 0) + coalesce(sums.squared_deal_count, 0) as bigint) as squared_deal_count
    from int_segment_win_counts as counts
    cross join accounts
    left join sums
        on
            counts.segment_dimension = sums.segment_dimension
            and counts.segment_value = sums.segment_value
            and counts.period = sums.period
    where accounts.are_known
)

select * from final
