-- noqa: disable=layout.indent
with

int_alert_replay_dates as (
    select * from {{ ref('int_alert_replay_dates') }}
),

int_alert_replay_months as (
    select * from {{ ref('int_alert_replay_months') }}
),

int_past_stall_thresholds as (
    select * from {{ ref('int_past_stall_thresholds') }}
),

past_close_dates as (
    select * from {{ ref('int_past_field_values') }}
    where field = 'expected_close_date'
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_capabilities as (
    select * from {{ ref('int_capabilities') }}
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
        observed.*,
        dates.is_replayed,
        thresholds.stall_threshold_days,
        observed.inactive_days as days_since_last_activity,
        case
            when observed.inactive_days is not null or observed.stage is not null
                then
                    coalesce(observed.days_in_stage > thresholds.stall_threshold_days, false)
                    or coalesce(observed.inactive_days >= {{ var('stall_inactivity_days') }}, false)
        end as is_stalled,
        {{ risk_score('predictions.win_probability') }} as risk_score,
        case
            when int_capabilities.has_field_history
                then {{ dbt.datediff('coalesce(changes.expected_close_date, int_deals.expected_close_date)', 'observed.observation_date', 'day') }}
        end as days_overdue
    from {{ ref('int_deal_observations') }} as observed
    cross join int_capabilities
    inner join int_alert_replay_dates as dates
        on observed.observation_date = dates.replay_date
    inner join int_deals
        on observed.deal_id = int_deals.deal_id
    left join int_past_stall_thresholds as thresholds
        on
            observed.observation_date = thresholds.replay_date
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

final as (
    {% for metric, about in alert_metrics().items() if about.subject_type == 'deal' -%}
    select
        '{{ metric }}' as metric,
        deal_id as subject_id,
        observation_date as replay_date,
        observation_date as base_date,
        is_replayed,
        cast({{ stalled_days('observed') if metric == 'stalled_days' else metric }} as double) as value,
        cast(null as boolean) as is_signal,
        deal_amount,
        not is_won as has_happened
    from observed

    union all

    {% endfor -%}
    select
        metric,
        'all' as subject_id,
        period_end_date as replay_date,
        cast(null as date) as base_date,
        is_replayed,
        value,
        is_signal,
        cast(null as decimal(18, 2)) as deal_amount,
        has_happened
    from int_alert_replay_months
)

select * from final
