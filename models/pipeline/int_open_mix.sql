{% set first, second = var('rapv_segment_dimensions')[:2] %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

-- The shrunk win rates of the pairs of segments; without the pair there is no mix.
int_segment_win_rate_estimates as (
    select * from {{ ref('int_segment_win_rate_estimates') }}
    where
        segment_dimension = '{{ first }} x {{ second }}'
        and period = 'all'
),

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
),

int_deal_close_shares as (
    select * from {{ ref('int_deal_close_shares') }}
),

pairs as (
    select
        {{ pair_value(first, second) }} as segment_value,
        sum(case when is_open then 1 else 0 end) as open_deal_count,
        sum(case when is_open then 0 else 1 end) as closed_deal_count
    from int_deals
    group by 1
),

mixes as (
    select
        sum(case when rates.shrunk_win_rate > rates.pooled_win_rate then pairs.open_deal_count else 0 end) * 1.0 / sum(pairs.open_deal_count)
            as good_segment_share,
        sum(pairs.open_deal_count * rates.shrunk_win_rate) / sum(pairs.open_deal_count) as open_rate,
        sum(pairs.closed_deal_count * rates.shrunk_win_rate) / sum(pairs.closed_deal_count) as closed_rate
    from pairs
    inner join int_segment_win_rate_estimates as rates
        on pairs.segment_value = rates.segment_value
),

amounts as (
    select avg(deal_amount) / nullif(percentile_cont(0.5) within group (order by deal_amount), 0) as mean_to_median_ratio
    from int_deals
    where is_open
),

quarters as (
    select {{ quarter_start(dbt.dateadd('day', 1, 'as_of_date')) }} as quarter_start_date
    from int_as_of
),

quotas as (
    select sum(quota_amount) as quota_amount
    from {{ ref('int_quarter_quotas') }}
),

won as (
    select coalesce(sum(int_deals.deal_amount), 0) as won_amount
    from int_deals
    inner join quarters
        on int_deals.closed_date >= quarters.quarter_start_date
    where int_deals.is_won
),

yields as (
    select
        count(*) as open_deal_count,
        sum(int_deals.deal_amount) as open_amount,
        sum(int_deals.deal_amount * int_deal_scores.win_probability * int_deal_close_shares.won_in_time_share) as expected_amount
    from int_deals
    inner join int_deal_scores
        on int_deals.deal_id = int_deal_scores.deal_id
    inner join int_deal_close_shares
        on int_deals.deal_id = int_deal_close_shares.deal_id
),

final as (
    select
        cast({{ dbt.date_trunc('month', 'int_as_of.as_of_date') }} as date) as period_start_date,
        cast(yields.open_deal_count as bigint) as open_deal_count,
        cast(mixes.good_segment_share as double) as good_segment_share,
        cast(mixes.good_segment_share * amounts.mean_to_median_ratio as double) as pipeline_quality,
        cast(mixes.open_rate / mixes.closed_rate as double) as mix_index,
        cast(quotas.quota_amount - won.won_amount as double) as missing_amount,
        cast(case
            when quotas.quota_amount is not null
                then greatest(0, quotas.quota_amount - won.won_amount) * yields.open_amount / nullif(yields.expected_amount, 0)
        end as double) as coverage_needed,
        cast(yields.expected_amount / nullif(greatest(0, quotas.quota_amount - won.won_amount), 0) as double) as coverage
    from int_as_of
    cross join mixes
    cross join amounts
    cross join quotas
    cross join won
    cross join yields
)

select * from final
