-- Where are deals lost, and how long do they stay there? One row per stage; put a dimension in place of 'all' to compare segments.
-- loss_rate is of the deals that are through with the stage, loss_share_rate says where the losses are. A late stage with a low rate can still
-- cost most: what is lost there had the work of all stages before it. Without stage history there is no row: see rpt_data_capabilities.
with

rpt_stage_conversion as (
    select * from {{ ref('rpt_stage_conversion') }}
),

rpt_stage_durations as (
    select * from {{ ref('rpt_stage_durations') }}
),

final as (
    select
        rpt_stage_conversion.stage_order,
        rpt_stage_conversion.stage,
        rpt_stage_conversion.is_late,
        rpt_stage_conversion.reached_deal_count,
        rpt_stage_conversion.lost_here_deal_count,
        rpt_stage_conversion.open_here_deal_count,
        rpt_stage_conversion.loss_rate,
        rpt_stage_conversion.loss_rate_lower,
        rpt_stage_conversion.loss_rate_upper,
        rpt_stage_conversion.loss_share_rate,
        rpt_stage_conversion.win_probability,
        rpt_stage_conversion.win_probability_lower,
        rpt_stage_conversion.win_probability_upper,
        rpt_stage_durations.median_days,
        rpt_stage_durations.p90_days
    from rpt_stage_conversion
    left join rpt_stage_durations
        on
            rpt_stage_conversion.segment_dimension = rpt_stage_durations.segment_dimension
            and rpt_stage_conversion.segment_value = rpt_stage_durations.segment_value
            and rpt_stage_conversion.stage = rpt_stage_durations.stage
    where rpt_stage_conversion.segment_dimension = 'all'
)

select * from final
order by stage_order
