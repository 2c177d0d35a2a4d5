{% set days_since_last_activity = dbt.datediff('last_happened_at', 'as_of_date', 'day') %}
{% set days_since_last_update = dbt.datediff('last_updated_at', 'as_of_date', 'day') %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_stall_thresholds as (
    select * from {{ ref('int_stall_thresholds') }}
    where is_as_of_date
),

int_open_deal_changes as (
    select * from {{ ref('int_open_deal_changes') }}
),

levels as (
    select
        max(case when capability = 'stage_history' and is_available then 1 else 0 end) = 1 as has_stage_history,
        max(case when capability = 'field_history' and is_available then 1 else 0 end) = 1 as has_field_history,
        max(case when capability = 'activities' and is_available then 1 else 0 end) = 1 as has_activities
    from int_data_levels
),

visits as (
    select
        deal_id,
        max(case when is_censored then stage end) as visited_stage,
        max(case when is_censored then days_in_stage end) as days_in_stage,
        max(coalesce(observed_from_at, entered_at)) as last_entered_at,
        sum(case when is_regression then 1 else 0 end) as regression_count
    from int_deal_stage_visits
    where deal_id in (select int_deals.deal_id from int_deals)
    group by deal_id
),

activities as (
    select
        deal_id,
        max(occurred_at) as last_occurred_at
    from {{ ref('int_checked__activities') }}
    where reason_codes is null and deal_id in (select int_deals.deal_id from int_deals)
    group by deal_id
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
facts as (
    select
        int_deals.*,
        levels.has_stage_history,
        levels.has_activities,
        visits.visited_stage,
        visits.days_in_stage,
        visits.regression_count,
        thresholds.stall_threshold_days,
        case when levels.has_activities then coalesce(activities.last_occurred_at, int_deals.created_at) end as last_happened_at,
        case
            when levels.has_field_history then greatest(
                int_deals.created_at, visits.last_entered_at, changes.last_changed_at, activities.last_occurred_at,
                case when cast(int_deals.updated_at as date) <= int_deals.as_of_date then int_deals.updated_at end
            )
        end as last_updated_at,
        {% for column in ['push_count', 'push_days', 'quarter_push_count', 'amount_change_count'] -%}
        case when levels.has_field_history then coalesce(changes.{{ column }}, 0) end as {{ column }},
        {% endfor -%}
        cast(activities.last_occurred_at as date) as last_activity_date
    from int_deals
    cross join levels
    left join visits
        on int_deals.deal_id = visits.deal_id
    left join int_stall_thresholds as thresholds
        on visits.visited_stage = thresholds.stage
    left join int_open_deal_changes as changes
        on int_deals.deal_id = changes.deal_id
    left join activities
        on int_deals.deal_id = activities.deal_id
),

final as (
    select
        {% for column in [
            'deal_id', 'deal_name', 'account_id', 'created_at', 'created_date', 'cohort_month', 'sales_rep_id', 'industry', 'region',
            'product_type', 'lead_source', 'deal_size_band', 'deal_amount', 'is_amount_undated', 'currency_code', 'age_days',
            'days_in_stage', 'stall_threshold_days', 'last_activity_date', 'expected_close_date', 'stage_probability',
            'forecast_category', 'updated_at', 'as_of_date',
        ] -%}
        {{ column }},
        {% endfor -%}
        coalesce(visited_stage, deal_stage) as stage,
        case when visited_stage is not null then 'stage_history' when deal_stage is not null then 'deals_file' else 'none' end as stage_source,
        {{ is_stalled('has_stage_history or has_activities', 'days_in_stage', 'stall_threshold_days', days_since_last_activity) }} as is_stalled,
        cast({{ days_since_last_activity }} as integer) as days_since_last_activity,
        cast({{ days_since_last_update }} as integer) as days_since_last_update,
        {{ days_since_last_update }} >= {{ var('stale_days') }} as is_stale,
        expected_close_date < as_of_date as is_overdue,
        cast(push_days as integer) as push_days,
        {% for column in ['push_count', 'quarter_push_count', 'amount_change_count'] -%}
        cast({{ column }} as bigint) as {{ column }},
        {% endfor -%}
        cast(regression_count as bigint) as regression_count
    from facts
)

select * from final
