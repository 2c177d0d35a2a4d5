with

open_deals as (
    select deal_id
    from {{ ref('int_deals') }}
    where is_open
),

visits as (
    select
        deal_id,
        max(case when is_censored then stage end) as visited_stage,
        max(case when is_censored then days_in_stage end) as days_in_stage,
        max(coalesce(observed_from_at, entered_at)) as last_entered_at,
        sum(case when is_regression then 1 else 0 end) as regression_count
    from {{ ref('int_deal_stage_visits') }}
    where deal_id in (select open_deals.deal_id from open_deals)
    group by deal_id
),

newer_stages as (
    select deal_id
    from {{ ref('int_current_stages') }}
    where stage_newer_in = 'file'
),

field_history as (
    select
        deal_id,
        max(changed_at) as last_changed_at
    from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and deal_id in (select open_deals.deal_id from open_deals)
    group by deal_id
),

changes as (
    select
        deal_id,
        sum(case when new_close_date > old_close_date then 1 else 0 end) as push_count,
        sum(case when new_close_date > old_close_date then {{ dbt.datediff('old_close_date', 'new_close_date', 'day') }} else 0 end) as push_days,
        sum(case
            when {{ quarter_start('new_close_date') }} > {{ quarter_start('old_close_date') }} then 1
            else 0
        end) as quarter_push_count,
        sum(case when new_amount <> old_amount then 1 else 0 end) as amount_change_count
    from {{ ref('int_field_changes') }}
    where deal_id in (select open_deals.deal_id from open_deals)
    group by deal_id
),

activities as (
    select
        deal_id,
        max(occurred_at) as last_activity_at
    from {{ ref('int_checked__activities') }}
    where
        reason_codes is null
        and deal_id in (select open_deals.deal_id from open_deals)
    group by deal_id
),

final as (
    select
        open_deals.deal_id,
        case when newer_stages.deal_id is null then visits.visited_stage end as visited_stage,
        case when newer_stages.deal_id is null then visits.days_in_stage end as days_in_stage,
        visits.regression_count,
        changes.push_count,
        changes.push_days,
        changes.quarter_push_count,
        changes.amount_change_count,
        activities.last_activity_at,
        greatest(visits.last_entered_at, field_history.last_changed_at, activities.last_activity_at) as last_recorded_at
    from open_deals
    left join visits
        on open_deals.deal_id = visits.deal_id
    left join newer_stages
        on open_deals.deal_id = newer_stages.deal_id
    left join field_history
        on open_deals.deal_id = field_history.deal_id
    left join changes
        on open_deals.deal_id = changes.deal_id
    left join activities
        on open_deals.deal_id = activities.deal_id
)

select * from final
