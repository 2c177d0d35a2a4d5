-- noqa: disable=layout.indent,layout.long_lines
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

regressions as (
    select
        deal_id,
        count(*) as regression_count
    from int_deal_stage_visits
    where is_regression
    group by deal_id
),

activities as (
    select
        int_deals.deal_id,
        max(int_checked__activities.occurred_at) as last_occurred_at
    from int_deals
    inner join {{ ref('int_checked__activities') }} as int_checked__activities
        on int_deals.deal_id = int_checked__activities.deal_id
    where int_checked__activities.reason_codes is null
    group by int_deals.deal_id
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
facts as (
    select
        int_deals.*,
        levels.*,
        visits.stage as visited_stage,
        visits.days_in_stage,
        thresholds.stall_threshold_days,
        cast(activities.last_occurred_at as date) as last_activity_date,
        case
            when levels.has_activities
                then {{ dbt.datediff('coalesce(activities.last_occurred_at, int_deals.created_at)', 'int_deals.as_of_date', 'day') }}
        end as days_since_last_activity,
        case
            when levels.has_field_history
                then {{ dbt.datediff('greatest(int_deals.created_at, visits.entered_at, visits.observed_from_at, changes.last_changed_at, activities.last_occurred_at, case when cast(int_deals.updated_at as date) <= int_deals.as_of_date then int_deals.updated_at end)', 'int_deals.as_of_date', 'day') }}
        end as days_since_last_update,
        case when visits.deal_id is not null then coalesce(regressions.regression_count, 0) end as regression_count,
        {% for column in ['push_count', 'push_days', 'quarter_push_count', 'amount_change_count'] -%}
            case when levels.has_field_history then coalesce(changes.{{ column }}, 0) end as {{ column }}{{ "," if not loop.last }}
        {% endfor %}
    from int_deals
    cross join levels
    left join int_deal_stage_visits as visits
        on
            int_deals.deal_id = visits.deal_id
            and visits.is_censored
    left join int_stall_thresholds as thresholds
        on visits.stage = thresholds.stage
    left join regressions
        on int_deals.deal_id = regressions.deal_id
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
            'stage_probability', 'forecast_category', 'updated_at', 'as_of_date', 'expected_close_date',
        ] -%}
            {{ column }},
        {% endfor -%}
        coalesce(visited_stage, deal_stage) as stage,
        case when visited_stage is not null then 'stage_history' when deal_stage is not null then 'deals_file' else 'none' end as stage_source,
        days_in_stage,
        stall_threshold_days,
        case
            when has_stage_history or has_activities
                then coalesce(days_in_stage > stall_threshold_days, false)
                    or coalesce(days_since_last_activity >= {{ var('stall_inactivity_days') }}, false)
        end as is_stalled,
        last_activity_date,
        cast(days_since_last_activity as integer) as days_since_last_activity,
        cast(days_since_last_update as integer) as days_since_last_update,
        days_since_last_update >= {{ var('stale_days') }} as is_stale,
        expected_close_date < as_of_date as is_overdue,
        {% for column in ['push_count', 'quarter_push_count', 'amount_change_count', 'regression_count'] -%}
            cast({{ column }} as bigint) as {{ column }},
        {% endfor -%}
        cast(push_days as integer) as push_days
    from facts
)

select * from final
