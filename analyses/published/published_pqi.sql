-- Published: PQI = share of deals in industry x product cells that win more than half of their deals, x mean / median amount.
-- The marts differ: a cell counts as good when its win rate, shrunk for its size, beats the base rate, and the share is of open deals. With
-- half as the bar the index is 0 on any file whose cells all win less, as real ones do; with the base rate as the bar
-- (share_over_base_rate) about half of all deals are in "good" cells on pure noise, because the cells' rates are not shrunk. Mean /
-- median amount says how skewed amounts are and nothing about quality.
{% set published_bar = 0.5 %}

with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

base as (
    select
        avg(case when is_won then 1.0 else 0.0 end) as win_rate,
        avg(deal_amount) / percentile_cont(0.5) within group (order by deal_amount) as mean_to_median_ratio
    from fct_deals
),

cells as (
    select
        industry,
        product_type,
        count(*) as closed_deal_count,
        avg(case when is_won then 1.0 else 0.0 end) as win_rate
    from fct_deals
    group by industry, product_type
),

shares as (
    select
        count(*) as cell_count,
        sum(case when cells.win_rate > {{ published_bar }} then 1 else 0 end) as good_cell_count,
        sum(case when cells.win_rate > {{ published_bar }} then cells.closed_deal_count else 0 end) * 1.0
        / sum(cells.closed_deal_count) as share_high,
        sum(case when cells.win_rate > base.win_rate then cells.closed_deal_count else 0 end) * 1.0
        / sum(cells.closed_deal_count) as share_over_base_rate,
        max(base.mean_to_median_ratio) as mean_to_median_ratio
    from cells
    cross join base
),

final as (
    select
        cell_count,
        good_cell_count,
        share_high,
        mean_to_median_ratio,
        share_high * mean_to_median_ratio as pqi_published,
        share_over_base_rate,
        share_over_base_rate * mean_to_median_ratio as pqi_over_base_rate
    from shares
)

select * from final
