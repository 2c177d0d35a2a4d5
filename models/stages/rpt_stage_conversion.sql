{% set measures = ['win_probability', 'loss_probability', 'open_probability', 'loss_rate', 'loss_share_rate'] %}

with

int_stage_reach_counts as (
    select * from {{ ref('int_stage_reach_counts') }}
),

int_late_stage_counts as (
    select * from {{ ref('int_late_stage_counts') }}
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
        sum(deal_count) as reached_deal_count,
        sum(case when not is_furthest or outcome = 'Won' then deal_count else 0 end) as advanced_deal_count,
        sum(case when is_furthest and outcome = 'Lost' then deal_count else 0 end) as lost_here_deal_count,
        sum(case when is_furthest and outcome = 'Open' then deal_count else 0 end) as open_here_deal_count,
        sum(case when outcome = 'Won' then deal_count else 0 end) as won_deal_count,
        sum(case when outcome = 'Lost' then deal_count else 0 end) as lost_deal_count,
        sum(case when outcome = 'Open' then deal_count else 0 end) as open_deal_count,
        max(case when outcome <> 'Open' then days_to_close end) as longest_days_to_close
    from int_stage_reach_counts
    group by segment_dimension, segment_value, stage
),

estimates as (
    select
        segment_dimension,
        segment_value,
        stage,
        {% for measure in measures -%}
        max(case when measure = '{{ measure }}' then estimate end) as {{ measure }},
        max(case when measure = '{{ measure }}' then lower_limit end) as {{ measure }}_lower,
        max(case when measure = '{{ measure }}' then upper_limit end) as {{ measure }}_upper,
        {% endfor -%}
        max(case when measure = 'win_probability' then status end) as probability_status
    from ml_stage_survival
    group by segment_dimension, segment_value, stage
),

late_losses as (
    select
        int_late_stage_counts.*,
        ml_stage_survival.estimate,
        ml_stage_survival.lower_limit,
        ml_stage_survival.upper_limit
    from int_late_stage_counts
    inner join ml_stage_survival
        on
            int_late_stage_counts.segment_dimension = ml_stage_survival.segment_dimension
            and int_late_stage_counts.segment_value = ml_stage_survival.segment_value
            and ml_stage_survival.measure = 'late_stage_loss_rate'
),

final as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.stage,
        int_stages.stage_order,
        int_stages.is_late,
        {% for outcome in ['reached', 'advanced', 'lost_here', 'open_here', 'won', 'lost', 'open'] -%}
        cast(counts.{{ outcome }}_deal_count as bigint) as {{ outcome }}_deal_count,
        {% endfor -%}
        estimates.win_probability as stage_win_probability,
        estimates.win_probability_lower as stage_win_probability_lower,
        estimates.win_probability_upper as stage_win_probability_upper,
        {% for measure in measures[1:] -%}
        estimates.{{ measure }},
        estimates.{{ measure }}_lower,
        estimates.{{ measure }}_upper,
        {% endfor -%}
        estimates.probability_status,
        counts.longest_days_to_close,
        coalesce(late_losses.closed_deal_count, 0) as late_stage_closed_deal_count,
        coalesce(late_losses.lost_deal_count, 0) as late_stage_lost_deal_count,
        late_losses.estimate as late_stage_loss_rate,
        late_losses.lower_limit as late_stage_loss_rate_lower,
        late_losses.upper_limit as late_stage_loss_rate_upper
    from counts
    inner join int_stages
        on counts.stage = int_stages.stage
    inner join estimates
        on
            counts.segment_dimension = estimates.segment_dimension
            and counts.segment_value = estimates.segment_value
            and counts.stage = estimates.stage
    left join late_losses
        on
            counts.segment_dimension = late_losses.segment_dimension
            and counts.segment_value = late_losses.segment_value
)

select * from final
