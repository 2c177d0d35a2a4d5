with

deals as (
    select * from {{ ref('int_score_deals') }}
    where is_training
),

expected_close_changes as (
    select * from {{ ref('int_past_field_values') }}
    where field = 'expected_close_date' and deal_id in (select deals.deal_id from deals)
),

-- Where the history begins inside a visit, its days count from the creation.
visits as (
    select
        visits.*,
        coalesce(visits.entered_date, deals.created_date) as counted_from_date,
        thresholds.stall_threshold_days
    from {{ ref('int_score_visits') }} as visits
    inner join deals
        on visits.deal_id = deals.deal_id
    left join {{ ref('int_stall_thresholds') }} as thresholds
        on visits.stage = thresholds.stage and thresholds.is_as_of_date
),

expected_dates as (
    select
        deal_id,
        expected_close_date,
        known_from_date as from_date,
        changed_date as until_date
    from expected_close_changes

    union all

    select
        int_deals.deal_id,
        int_deals.expected_close_date,
        coalesce(max(expected_close_changes.changed_date), int_deals.created_date) as from_date,
        cast('9999-12-31' as date) as until_date
    from {{ ref('int_deals') }} as int_deals
    left join expected_close_changes
        on int_deals.deal_id = expected_close_changes.deal_id
    where int_deals.deal_id in (select deals.deal_id from deals)
    group by int_deals.deal_id, int_deals.expected_close_date, int_deals.created_date
),

stretches as (
    select
        deal_id,
        'days_in_stage' as trigger_name,
        'stage_history' as capability,
        stage,
        from_date,
        until_date,
        counted_from_date
    from visits

    union all by name

    select
        deal_id,
        'days_over_stall_limit' as trigger_name,
        'stage_history' as capability,
        stage,
        from_date,
        until_date,
        counted_from_date + stall_threshold_days as counted_from_date
    from visits

    union all by name

    select
        deal_id,
        'push_count' as trigger_name,
        'field_history' as capability,
        from_date,
        until_date,
        push_count as trigger_value
    from {{ ref('int_deal_change_counts') }}

    union all by name

    select
        deal_id,
        'days_overdue' as trigger_name,
        'field_history' as capability,
        from_date,
        until_date,
        expected_close_date as counted_from_date
    from expected_dates

    union all by name

    select
        deal_id,
        trigger_name,
        case trigger_name when 'days_since_last_activity' then 'activities' else 'field_history' end as capability,
        event_date as from_date,
        until_date,
        event_date as counted_from_date
    from {{ ref('int_last_events') }}
),

final as (
    select
        stretches.deal_id,
        stretches.trigger_name,
        stretches.stage,
        greatest(stretches.from_date, deals.created_date) as from_date,
        least(stretches.until_date, deals.closed_date) as until_date,
        stretches.counted_from_date,
        cast(stretches.trigger_value as bigint) as trigger_value
    from stretches
    inner join deals
        on stretches.deal_id = deals.deal_id
    where stretches.capability in (select levels.capability from {{ ref('int_data_levels') }} as levels where levels.is_available)
)

select * from final
