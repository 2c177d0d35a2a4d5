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

late_stage_estimates as (
    select * from {{ ref('ml_stage_survival') }}
    where measure = 'late_stage_loss_rate'
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

counts as (
    select
        segment_dimension,
        segment_value,
        stage,
        cast(sum(deal_count) as bigint) as reached_deal_count,
        cast(sum(case when not is_furthest or outcome = 'Won' then deal_count else 0 end) as bigint) as advanced_deal_count,
        cast(sum(case when is_furthest and outcome = 'Lost' then deal_count else 0 end) as bigint) as lost_here_deal_count,
        cast(sum(case when is_furthest and outcome = 'Open' then deal_count else 0 end) as bigint) as open_here_deal_count,
        cast(sum(case when outcome = 'Won' then deal_count else 0 end) as bigint) as won_deal_count,
        cast(sum(case when outcome = 'Lost' then deal_count else 0 end) as bigint) as lost_deal_count,
        cast(sum(case when outcome = 'Open' then deal_count else 0 end) as bigint) as open_deal_count,
        max(case when outcome <> 'Open' then days_to_close end) as longest_days_to_close
    from int_stage_reach_counts
    group by segment_dimension, segment_value, stage
),

estimates as (
    select
        segment_dimension,
        segment_value,
        stage,
        max(case when measure = 'win_probability' then estimate end) as win_probability,
        max(case when measure = 'win_probability' then lower_limit end) as win_probability_lower,
        max(case when measure = 'win_probability' then upper_limit end) as win_probability_upper,
        max(case when measure = 'loss_probability' then estimate end) as loss_probability,
        max(case when measure = 'loss_probability' then lower_limit end) as loss_probability_lower,
        max(case when measure = 'loss_probability' then upper_limit end) as loss_probability_upper,
        max(case when measure = 'open_probability' then estimate end) as open_probability,
        max(case when measure = 'open_probability' then lower_limit end) as open_probability_lower,
        max(case when measure = 'open_probability' then upper_limit end) as open_probability_upper,
        max(case when measure = 'loss_rate' then estimate end) as loss_rate,
        max(case when measure = 'loss_rate' then lower_limit end) as loss_rate_lower,
        max(case when measure = 'loss_rate' then upper_limit end) as loss_rate_upper,
        max(case when measure = 'loss_share_rate' then estimate end) as loss_share_rate,
        max(case when measure = 'loss_share_rate' then lower_limit end) as loss_share_rate_lower,
        max(case when measure = 'loss_share_rate' then upper_limit end) as loss_share_rate_upper,
        max(case when measure = 'win_probability' then status end) as probability_status
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
        int_stages.is_late,
        counts.reached_deal_count,
        counts.advanced_deal_count,
        counts.lost_here_deal_count,
        counts.open_here_deal_count,
        counts.won_deal_count,
        counts.lost_deal_count,
        counts.open_deal_count,
        estimates.win_probability as stage_win_probability,
        estimates.win_probability_lower as stage_win_probability_lower,
        estimates.win_probability_upper as stage_win_probability_upper,
        estimates.loss_probability,
        estimates.loss_probability_lower,
        estimates.loss_probability_upper,
        estimates.open_probability,
        estimates.open_probability_lower,
        estimates.open_probability_upper,
        estimates.loss_rate,
        estimates.loss_rate_lower,
        estimates.loss_rate_upper,
        estimates.loss_share_rate,
        estimates.loss_share_rate_lower,
        estimates.loss_share_rate_upper,
        estimates.probability_status,
        counts.longest_days_to_close,
        coalesce(late_deals.closed_deal_count, 0) as late_stage_closed_deal_count,
        coalesce(late_deals.lost_deal_count, 0) as late_stage_lost_deal_count,
        late_stage_estimates.estimate as late_stage_loss_rate,
        late_stage_estimates.lower_limit as late_stage_loss_rate_lower,
        late_stage_estimates.upper_limit as late_stage_loss_rate_upper
    from counts
    inner join int_stages
        on counts.stage = int_stages.stage
    inner join estimates
        on
            counts.segment_dimension = estimates.segment_dimension
            and counts.segment_value = estimates.segment_value
            and counts.stage = estimates.stage
    left join int_late_stage_counts as late_deals
        on
            counts.segment_dimension = late_deals.segment_dimension
            and counts.segment_value = late_deals.segment_value
    left join late_stage_estimates
        on
            counts.segment_dimension = late_stage_estimates.segment_dimension
            and counts.segment_value = late_stage_estimates.segment_value
)

select * from final
