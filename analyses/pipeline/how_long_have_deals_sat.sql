-- How long has this deal sat in Proposal?
-- Which open deals moved back?
-- Each open deal in the visit it is in, the longest first, beside the days by which half and nine tenths of all visits of that stage have left it. days_in_stage
-- are of this visit, cumulative_days_in_stage of all its visits of the stage. moved_back_count above 0 lists the deals that went back to a lower stage.
-- May be empty: without open deals, or without stage history.
with

visits as (
    select * from {{ ref('fct_deal_stage_visits') }}
),

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

rpt_stage_durations as (
    select * from {{ ref('rpt_stage_durations') }}
    where segment_dimension = 'all'
),

moves_back as (
    select
        deal_id,
        count(*) as moved_back_count,
        cast(max(entered_at) as date) as last_moved_back_date
    from visits
    where is_regression
    group by deal_id
),

final as (
    select
        visits.deal_id,
        fct_open_deals.deal_name,
        fct_open_deals.sales_rep_id,
        fct_open_deals.deal_amount,
        visits.stage,
        visits.days_in_stage,
        visits.cumulative_days_in_stage,
        visits.is_left_truncated,
        rpt_stage_durations.median_days,
        rpt_stage_durations.p90_days,
        coalesce(moves_back.moved_back_count, 0) as moved_back_count,
        moves_back.last_moved_back_date
    from visits
    inner join fct_open_deals
        on visits.deal_id = fct_open_deals.deal_id
    left join rpt_stage_durations
        on visits.stage = rpt_stage_durations.stage
    left join moves_back
        on visits.deal_id = moves_back.deal_id
    where visits.is_censored
)

select * from final
order by days_in_stage desc, deal_id asc
