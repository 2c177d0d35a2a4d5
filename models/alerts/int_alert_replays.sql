with

past_close_dates as (
    select * from {{ ref('int_past_field_values') }}
    where field = 'expected_close_date'
),

-- A closed gate has no score to replay.
predictions as (
    select predictions.*
    from {{ ref('int_score_predictions') }} as predictions
    inner join {{ ref('ml_score_quality') }} as quality
        on predictions.method = quality.score_status and quality.fold = 'all'
    where predictions.purpose = 'training'
),

-- The threshold is null at stages without one, and for deals without history: inactivity alone makes those stalled.
observed as (
    select
        observed.deal_id,
        observed.observation_date,
        observed.deal_amount,
        observed.is_won,
        dates.is_replayed,
        cast({{ risk_score('predictions.win_probability') }} as double) as risk_score,
        cast({{ stalled_days(
            'observed.stage is not null or observed.inactive_days is not null',
            'observed.days_in_stage', 'thresholds.stall_threshold_days', 'observed.inactive_days'
        ) }} as double) as stalled_days,
        cast(observed.inactive_days as double) as days_since_last_activity,
        cast(case
            when capabilities.has_field_history
                then {{ dbt.datediff('coalesce(changes.expected_close_date, int_deals.expected_close_date)', 'observed.observation_date', 'day') }}
        end as double) as days_overdue
    from {{ ref('int_deal_observations') }} as observed
    cross join {{ ref('int_capabilities') }} as capabilities
    inner join {{ ref('int_replay_dates') }} as dates
        on observed.observation_date = dates.replay_date
    inner join {{ ref('int_deals') }} as int_deals
        on observed.deal_id = int_deals.deal_id
    left join {{ ref('int_stall_thresholds') }} as thresholds
        on
            observed.observation_date = thresholds.threshold_date
            and observed.stage = thresholds.stage
    left join past_close_dates as changes
        on
            observed.deal_id = changes.deal_id
            and observed.observation_date >= changes.known_from_date
            and observed.observation_date < changes.changed_date
    left join predictions
        on
            observed.deal_id = predictions.deal_id
            and observed.observation_date = predictions.observation_date
    where observed.purpose = 'training'
),

-- A month that wasn't judged can't fire.
final as (
    select
        metric,
        deal_id as subject_id,
        observation_date as replay_date,
        observation_date as base_date,
        is_replayed,
        value,
        cast(null as boolean) as is_signal,
        deal_amount,
        not is_won as has_happened
    from observed
    unpivot (value for metric in (risk_score, stalled_days, days_since_last_activity, days_overdue))

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
