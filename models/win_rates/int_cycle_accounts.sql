{% set dimensions = dimensions_of('segment_dimensions') %}

with

int_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deals') }}
    where not is_open
),

int_cycle_day_counts as (
    select * from {{ ref('int_cycle_day_counts') }}
    where segment_dimension = 'all' and is_included
),

int_mature_cohorts as (
    select * from {{ ref('int_mature_cohorts') }}
    where is_mature
),

days as (
    select
        cycle_days,
        sum(deal_count) as deal_count,
        sum(case when is_won then deal_count else 0 end) as won_count
    from int_cycle_day_counts
    group by cycle_days
),

-- The share of deals that took less long, those of the same day counted half, less a half.
ranked as (
    select
        cycle_days,
        (sum(deal_count) over (order by cycle_days) - deal_count / 2) / sum(deal_count) over () - 0.5 as rank_score,
        sum(won_count) over () / sum(deal_count) over () as win_rate
    from days
),

-- What a deal adds to the rank test of all deals.
scored as (
    select
        int_deals.*,
        cast((case when int_deals.is_won then 1 else 0 end - ranked.win_rate) * ranked.rank_score as decimal(18, 12)) as term
    from int_deals
    inner join int_mature_cohorts
        on int_deals.cohort_month = int_mature_cohorts.cohort_month
    inner join ranked
        on int_deals.cycle_days = ranked.cycle_days
),

accounts as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        account_id,
        count(*) as deal_count,
        cast(sum(term) as double) as term,
        sum(cast(term * term as decimal(28, 12))) as squared_term
    from scored
    group by {{ segment_sets(['account_id'], dimensions) }}  -- noqa: PRS
),

-- A deal without an account stands alone. Decimals, because a sum of doubles follows the order of its rows.
final as (
    select
        segment_dimension,
        segment_value,
        cast(sum(case when account_id is null then deal_count else 1 end) as bigint) as account_count,
        cast(sum(deal_count) as bigint) as deal_count,
        cast(sum(case when account_id is null then deal_count else deal_count * deal_count end) as bigint) as squared_deal_count,
        cast(sum(case
            when account_id is null then squared_term
            else cast(term * term / deal_count as decimal(28, 12))
        end) as double) as between_accounts,
        cast(sum(squared_term) as double) as total
    from accounts
    group by segment_dimension, segment_value
)

select * from final
