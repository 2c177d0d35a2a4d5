with

closed_deals as (
    select
        sales_rep_id,
        coalesce(region, 'Unknown') as region,
        coalesce('account ' || account_id, 'deal ' || deal_id) as account_key,
        is_won
    from {{ ref('int_deals') }}
    where not is_open
),

accounts as (
    select
        sales_rep_id,
        region,
        account_key,
        count(*) as closed_deal_count,
        sum(case when is_won then 1 else 0 end) as won_deal_count
    from closed_deals
    group by sales_rep_id, region, account_key
),

final as (
    select
        sales_rep_id,
        region,
        cast(closed_deal_count as bigint) as closed_deal_count,
        cast(won_deal_count as bigint) as won_deal_count,
        cast(count(*) as bigint) as account_count
    from accounts
    group by sales_rep_id, region, closed_deal_count, won_deal_count
)

select * from final
