-- Which amounts are outliers?
-- Deals above the third quartile + 1.5 interquartile ranges of all amounts, the greatest first. Amounts are skewed, so a few per cent of deals lie beyond
-- that in good data: look for the one that is ten times what it should be. They stay in every sum, and amount_share says how much of all
-- money one of them is. May be empty: where no amount lies beyond.
with

fct_deals as (
    select * from {{ ref('fct_deals') }}
),

amounts as (
    select
        sum(deal_amount) as all_amount,
        percentile_cont(0.5) within group (order by deal_amount) as median_amount
    from fct_deals
),

final as (
    select
        fct_deals.deal_id,
        fct_deals.deal_name,
        fct_deals.sales_rep_id,
        fct_deals.product_type,
        fct_deals.created_date,
        fct_deals.outcome,
        fct_deals.deal_amount,
        fct_deals.is_amount_undated,
        fct_deals.deal_amount / amounts.median_amount as amount_to_median_ratio,
        fct_deals.deal_amount / amounts.all_amount as amount_share
    from fct_deals
    cross join amounts
    where fct_deals.is_amount_outlier
)

select * from final
order by deal_amount desc, deal_id asc
