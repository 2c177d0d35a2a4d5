-- As many rows as open deals: the joins neither lose nor multiply one.
with

open_deals as (
    select count(*) as row_count
    from {{ ref('fct_open_deals') }}
),

deals as (
    select count(*) as deal_count
    from {{ ref('int_deals') }}
    where is_open
)

select
    open_deals.row_count,
    deals.deal_count
from open_deals
cross join deals
where open_deals.row_count <> deals.deal_count
