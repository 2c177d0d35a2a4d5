-- As many rows as open deals: the joins neither lose nor multiply one.
select
    open_deals.row_count,
    deals.deal_count
from (select count(*) as row_count from {{ ref('fct_open_deals') }}) as open_deals
cross join (
    select count(*) as deal_count from {{ ref('int_deals') }}
    where is_open
) as deals
where open_deals.row_count <> deals.deal_count
