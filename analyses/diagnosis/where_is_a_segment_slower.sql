-- Where is Enterprise slower?
-- Each product's median and p90 of the days in a stage beside those of all deals; put another dimension in place of product_type. compared_median says
-- slower or faster only where the median of all deals lies outside the segment's interval, which is not corrected for the number of segments and stages:
-- about one in twenty is so by chance. A null value wasn't reached. Segments of fewer completed visits than min_segment_deals are not compared.
-- May be empty: without stage history.
with

rpt_stage_durations as (
    select * from {{ ref('rpt_stage_durations') }}
),

final as (
    select
        segments.stage_order,
        segments.stage,
        segments.segment_value,
        segments.completed_visit_count,
        segments.open_visit_count,
        segments.median_days,
        segments.median_lower_days,
        segments.median_upper_days,
        everything.median_days as all_median_days,
        case
            when segments.completed_visit_count < {{ var('min_segment_deals') }} then 'insufficient_n'
            when everything.median_days < segments.median_lower_days then 'slower'
            when everything.median_days > segments.median_upper_days then 'faster'
            else 'no difference seen'
        end as compared_median,
        segments.p90_days,
        segments.p90_lower_days,
        segments.p90_upper_days,
        everything.p90_days as all_p90_days,
        case
            when segments.completed_visit_count < {{ var('min_segment_deals') }} then 'insufficient_n'
            when everything.p90_days < segments.p90_lower_days then 'slower'
            when everything.p90_days > segments.p90_upper_days then 'faster'
            else 'no difference seen'
        end as compared_p90
    from rpt_stage_durations as segments
    inner join rpt_stage_durations as everything
        on
            segments.stage = everything.stage
            and everything.segment_dimension = 'all'
    where segments.segment_dimension = 'product_type'
)

select * from final
order by stage_order, segment_value
