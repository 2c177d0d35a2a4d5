-- noqa: disable=layout.indent
with

int_past_stall_thresholds as (
    select * from {{ ref('int_past_stall_thresholds') }}
),

int_expected_close_changes as (
    select * from {{ ref('int_expected_close_changes') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

levels as (
    select max(case when capability = 'field_history' and is_available then 1 else 0 end) = 1 as has_field_history
    from {{ ref('int_data_levels') }}
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
            when levels.has_field_history
                then {{ dbt.datediff('coalesce(changes.expected_close_date, int_deals.expected_close_date)', 'observed.observation_date', 'day') }}
        end as days_overdue
    from {{ ref('int_deal_observations') }} as observed
    cross join levels
    inner join int_deals
        on observed.deal_id = int_deals.deal_id
    left join int_past_stall_thresholds as thresholds
        on
            observed.observation_date = thresholds.replay_date
            and observed.stage = thresholds.stage
    left join int_expected_close_changes as changes
        on
            observed.deal_id = changes.deal_id
            and observed.observation_date >= changes.known_from_date
            and observed.observation_date < changes.changed_date
    left join predictions
        on
            observed.deal_id = predictions.deal_id
            and observed.observation_date = predictions.observation_date
    where
        observed.purpose = 'training'
        and observed.observation_date in (select past.replay_date from int_past_stall_thresholds as past)
),

-- Months that were judged, and whether the next one too was on the same side of what was expected.
months as (
    {%- for metric, value, gap, relation in [
        ('win_rate_gap_pp', 'win_rate', '100 * (win_rate - expected_win_rate)', ref('ml_win_rate_trend') ~ " where basis = 'closed_date' and not is_risk_adjusted"),
        ('created_volume_change_rate', 'value', 'value / nullif(expected_value, 0) - 1', ref('int_volume_changes') ~ " where metric = 'created_deals'"),
    ] %}
    {%- set expected = 'expected_' ~ value %}
    select
        '{{ metric }}' as metric,
        period_end_date,
        {{ gap }} as value,
        verdict = 'signal' as is_signal,
        (lead({{ value }}) over (order by period_start_date) < {{ expected }}) = ({{ value }} < {{ expected }}) as has_happened
    from {{ relation }}
        and period_type = 'month'
        and verdict in ('signal', 'no_signal')
    {{- "\n\n    union all\n" if not loop.last }}
    {%- endfor %}
),

final as (
    {% for metric, about in alert_metrics().items() if about.subject_type == 'deal' -%}
    select
        '{{ metric }}' as metric,
        deal_id as subject_id,
        observation_date as replay_date,
        observation_date as base_date,
        cast({{ stalled_days('observed') if metric == 'stalled_days' else metric }} as double) as value,
        cast(null as boolean) as is_signal,
        deal_amount,
        not is_won as has_happened
    from observed

    union all

    {% endfor -%}
    select
        months.metric,
        'all' as subject_id,
        months.period_end_date as replay_date,
        cast(null as date) as base_date,
        months.value,
        months.is_signal,
        cast(null as decimal(18, 2)) as deal_amount,
        months.has_happened
    from months
    inner join {{ ref('int_as_of') }} as int_as_of
        on months.period_end_date > {{ dbt.dateadd('month', -12, 'int_as_of.as_of_date') }}
)

select * from final
