with

-- A closed gate has no score to replay.
predictions as (
    select predictions.*
    from {{ ref('int_score_predictions') }} as predictions
    inner join {{ ref('ml_score_quality') }} as quality
        on predictions.method = quality.score_status and quality.fold = 'all'
    where predictions.purpose = 'training'
),

observed as (
    select
        observed.deal_id,
        observed.replay_date,
        observed.deal_amount,
        observed.is_won_in_time,
        observed.is_replayed,
        cast({{ risk_score('predictions.win_probability') }} as double) as risk_score,
        cast({{ days_over('observed.days_in_stage', 'thresholds.stall_threshold_days') }} as double) as days_over_stall_limit,
        cast(observed.inactive_days as double) as days_since_last_activity,
        cast(observed.days_overdue as double) as days_overdue
    from {{ ref('int_alert_observations') }} as observed
    left join {{ ref('int_stall_thresholds') }} as thresholds
        on
            observed.replay_date = thresholds.threshold_date
            and observed.stage = thresholds.stage
    left join predictions
        on
            observed.deal_id = predictions.deal_id
            and observed.replay_date = predictions.observation_date
),

-- A month that wasn't judged can't fire.
final as (
    select
        metric,
        deal_id as subject_id,
        replay_date,
        replay_date as base_date,
        is_replayed,
        value,
        cast(null as boolean) as is_signal,
        deal_amount,
        not is_won_in_time as has_happened
    from observed
    unpivot (value for metric in (risk_score, days_over_stall_limit, days_since_last_activity, days_overdue))

    union all

    select
        metric,
        'all' as subject_id,
        period_end_date as replay_date,
        cast(null as date) as base_date,
        is_replayed,
        case when is_judged then value end as value,
        is_signal,
        cast(null as decimal(18, 2)) as deal_amount,
        has_happened
    from {{ ref('int_alert_months') }}
    where is_replayed is not null
)

select * from final
