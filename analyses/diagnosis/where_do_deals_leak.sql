-- Where do deals leak?
-- Of the deals that reach Demo, how many will be won?
-- How long does a deal stay in each stage (open visits counted)?
-- In which order do stages come?
-- Which are late?
-- One row per pipeline and stage; put a dimension in place of 'all' to compare segments. loss_rate is of the deals that are through with the stage, loss_share_rate says
-- where the losses are; a late stage with a low rate can still cost most, since all the work before it is lost too. stage_win_probability is of all deals that
-- reached the stage, open ones allowed for. Closed stages are ends, not visits, and without stage history no stage has figures.
with

dim_stages as (
    select * from {{ ref('dim_stages') }}
),

rpt_stage_conversion as (
    select * from {{ ref('rpt_stage_conversion') }}
    where segment_dimension = 'all'
),

rpt_stage_durations as (
    select * from {{ ref('rpt_stage_durations') }}
    where segment_dimension = 'all'
),

final as (
    select
        dim_stages.pipeline,
        dim_stages.stage_order,
        dim_stages.stage,
        dim_stages.is_closed,
        dim_stages.is_late,
        conversion.reached_deal_count,
        conversion.lost_here_deal_count,
        conversion.open_here_deal_count,
        conversion.loss_rate,
        conversion.loss_rate_lower,
        conversion.loss_rate_upper,
        conversion.loss_share_rate,
        conversion.stage_win_probability,
        conversion.stage_win_probability_lower,
        conversion.stage_win_probability_upper,
        durations.completed_visit_count,
        durations.open_visit_count,
        durations.median_days,
        durations.median_lower_days,
        durations.median_upper_days,
        durations.p90_days
    from dim_stages
    left join rpt_stage_conversion as conversion
        on dim_stages.stage = conversion.stage
    left join rpt_stage_durations as durations
        on dim_stages.stage = durations.stage
)

select * from final
order by pipeline nulls first, stage_order
