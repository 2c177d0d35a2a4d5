with

active_days as (
    select distinct
        deal_id,
        cast(occurred_at as date) as from_date
    from {{ ref('int_checked__activities') }}
    where
        reason_codes is null
        and deal_id in (select int_score_deals.deal_id from {{ ref('int_score_deals') }} as int_score_deals)
),

final as (
    select
        deal_id,
        from_date,
        coalesce(lead(from_date) over (partition by deal_id order by from_date), cast('9999-12-31' as date)) as until_date
    from active_days
)

select * from final
