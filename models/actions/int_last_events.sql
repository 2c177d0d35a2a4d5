with

deals as (
    select
        deal_id,
        created_date
    from {{ ref('int_score_deals') }}
    where is_training
),

-- Every activity is an update too, and the creation is both.
event_days as (
    select
        deal_id,
        created_date as event_date,
        true as is_activity
    from deals

    union all

    select
        deal_id,
        from_date as event_date,
        true as is_activity
    from {{ ref('int_active_days') }}

    union all

    select
        deal_id,
        from_date as event_date,
        false as is_activity
    from {{ ref('int_deal_change_counts') }}

    union all

    select
        deal_id,
        from_date as event_date,
        false as is_activity
    from {{ ref('int_score_visits') }}
),

events as (
    select distinct
        deal_id,
        'days_since_last_activity' as trigger_name,
        event_date
    from event_days
    where is_activity

    union all

    select distinct
        deal_id,
        'days_since_last_update' as trigger_name,
        event_date
    from event_days
),

final as (
    select
        events.deal_id,
        events.trigger_name,
        events.event_date,
        coalesce(
            lead(events.event_date) over (partition by events.deal_id, events.trigger_name order by events.event_date), cast('9999-12-31' as date)
        ) as until_date
    from events
    inner join deals
        on events.deal_id = deals.deal_id
)

select * from final
