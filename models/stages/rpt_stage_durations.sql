{% set quantiles = ['median', 'p75', 'p90'] %}

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
        {% for quantile in quantiles -%}
        max(case when measure = '{{ quantile }}' then estimate end) as {{ quantile }}_days,
        max(case when measure = '{{ quantile }}' then lower_limit end) as {{ quantile }}_lower_days,
        max(case when measure = '{{ quantile }}' then upper_limit end) as {{ quantile }}_upper_days,
        max(case when measure = '{{ quantile }}' then status end) as {{ quantile }}_status,
        {% endfor -%}
        stage
    from ml_stage_survival
    group by segment_dimension, segment_value, stage
),

final as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.stage,
        int_stages.stage_order,
        {% for quantile in quantiles -%}
        cast(estimates.{{ quantile }}_days as integer) as {{ quantile }}_days,
        cast(estimates.{{ quantile }}_lower_days as integer) as {{ quantile }}_lower_days,
        cast(estimates.{{ quantile }}_upper_days as integer) as {{ quantile }}_upper_days,
        estimates.{{ quantile }}_status,
        {% endfor -%}
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
