-- A deal that closed on a day that nobody wrote down counts in win rates of all time and of cohorts. Whatever asks what was open when, or how
-- long something took, can't place it.
{{ config(materialized = "view") }}

with

final as (
    select * from {{ ref('int_deals') }}
    where is_open or is_cycle_eligible
)

select * from final
