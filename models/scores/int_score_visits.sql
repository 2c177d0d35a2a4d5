-- The stage of a deal from each visit until the next one, between a close and a reopening too: on such a day nobody knew better.
with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
    where deal_id in (select int_score_deals.deal_id from {{ ref('int_score_deals') }} as int_score_deals)
),

visits as (
    select
        deal_id,
        stage,
        visit_number,
        cast(coalesce(observed_from_at, entered_at) as date) as from_date,
        case when not is_left_truncated then cast(entered_at as date) end as entered_date,
        case when is_regression then 1 else 0 end as is_regression
    from int_deal_stage_visits
),

final as (
    select
        deal_id,
        stage,
        from_date,
        coalesce(lead(from_date) over deal_visits, cast('9999-12-31' as date)) as until_date,
        entered_date,
        cast(sum(is_regression) over (deal_visits rows unbounded preceding) as bigint) as regression_count
    from visits
    window deal_visits as (partition by deal_id order by visit_number)
)

select * from final
