with

int_stage_visit_counts as (
    select * from {{ ref('int_stage_visit_counts') }}
),

ml_stage_survival as (
    select * from {{ ref('ml_stage_survival') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

counts as (
    select
        segment_dimension,
        segment_value,
        stage,
        sum(case when is_completed then visit_count else 0 end) as completed_visit_count,
        sum(case when is_completed then 0 else visit_count end) as open_visit_count,
        sum(case when observed_after_days > 0 then visit_count else 0 end) as left_truncated_visit_count
    from int_stage_visit_counts
    group by segment_dimension, segment_value, stage
),

estimates as (
    select
        segment_dimension,
        segment_value,
        stage,
        max(case when measure = 'median' then estimate end) as median_days,
        max(case when measure = 'median' then lower_limit end) as median_lower_days,
        max(case when measure = 'median' then upper_limit end) as median_upper_days,
        max(case when measure = 'median' then status end) as median_status,
        max(case when measure = 'p75' then estimate end) as p75_days,
        max(case when measure = 'p75' then lower_limit end) as p75_lower_days,
        max(case when measure = 'p75' then upper_limit end) as p75_upper_days,
        max(case when measure = 'p75' then status end) as p75_status,
        max(case when measure = 'p90' then estimate end) as p90_days,
        max(case when measure = 'p90' then lower_limit end) as p90_lower_days,
        max(case when measure = 'p90' then upper_limit end) as p90_upper_days,
        max(case when measure = 'p90' then status end) as p90_status
    from ml_stage_survival
    group by segment_dimension, segment_value, stage
),

final as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.stage,
        int_stages.pipeline,
        int_stages.stage_order,
        cast(estimates.median_days as integer) as median_days,
        cast(estimates.median_lower_days as integer) as median_lower_days,
        cast(estimates.median_upper_days as integer) as median_upper_days,
        estimates.median_status,
        cast(estimates.p75_days as integer) as p75_days,
        cast(estimates.p75_lower_days as integer) as p75_lower_days,
        cast(estimates.p75_upper_days as integer) as p75_upper_days,
        estimates.p75_status,
        cast(estimates.p90_days as integer) as p90_days,
        cast(estimates.p90_lower_days as integer) as p90_lower_days,
        cast(estimates.p90_upper_days as integer) as p90_upper_days,
        estimates.p90_status,
        cast(counts.completed_visit_count as bigint) as completed_visit_count,
        cast(counts.open_visit_count as bigint) as open_visit_count,
        cast(counts.left_truncated_visit_count as bigint) as left_truncated_visit_count
    from counts
    inner join int_stages
        on counts.stage = int_stages.stage
    inner join estimates
        on
            counts.segment_dimension = estimates.segment_dimension
            and counts.segment_value = estimates.segment_value
            and counts.stage = estimates.stage
)

select * from final
