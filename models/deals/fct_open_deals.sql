{% set days_since_last_activity = dbt.datediff('last_happened_at', 'as_of_date', 'day') %}
{% set days_since_last_update = dbt.datediff('last_updated_at', 'as_of_date', 'day') %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

int_capabilities as (
    select * from {{ ref('int_capabilities') }}
),

int_open_deal_histories as (
    select * from {{ ref('int_open_deal_histories') }}
),

int_stall_thresholds as (
    select * from {{ ref('int_stall_thresholds') }}
    where is_as_of_date
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
facts as (
    select
        int_deals.*,
        histories.visited_stage,
        histories.days_in_stage,
        histories.regression_count,
        thresholds.stall_threshold_days,
        case
            when int_capabilities.has_activities then coalesce(histories.last_activity_at, int_deals.created_at)
        end as last_happened_at,
        case
            when int_capabilities.has_field_history
                then greatest(
                    int_deals.created_at,
                    histories.last_recorded_at,
                    case when cast(int_deals.updated_at as date) <= int_deals.as_of_date then int_deals.updated_at end
                )
        end as last_updated_at,
        case when int_capabilities.has_field_history then coalesce(histories.push_count, 0) end as push_count,
        case when int_capabilities.has_field_history then coalesce(histories.push_days, 0) end as push_days,
        case when int_capabilities.has_field_history then coalesce(histories.quarter_push_count, 0) end as quarter_push_count,
        case when int_capabilities.has_field_history then coalesce(histories.amount_change_count, 0) end as amount_change_count,
        cast(histories.last_activity_at as date) as last_activity_date
    from int_deals
    cross join int_capabilities
    inner join int_open_deal_histories as histories
        on int_deals.deal_id = histories.deal_id
    left join int_stall_thresholds as thresholds
        on histories.visited_stage = thresholds.stage
),

final as (
    select
        deal_id,
        deal_name,
        account_id,
        created_at,
        created_date,
        cohort_month,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        deal_type,
        pipeline,
        deal_size_band,
        deal_amount,
        is_value_eligible,
        amount_problem,
        is_amount_undated,
        currency_code,
        age_days,
        days_in_stage,
        stall_threshold_days,
        last_activity_date,
        expected_close_date,
        stage_probability,
        forecast_category,
        next_step,
        updated_at,
        as_of_date,
        coalesce(visited_stage, deal_stage) as stage,
        case when visited_stage is not null then 'stage_history' when deal_stage is not null then 'deals_file' else 'none' end as stage_source,
        {{ is_stalled_in_stage('days_in_stage', 'stall_threshold_days') }} as is_stalled_in_stage,
        cast({{ days_over('days_in_stage', 'stall_threshold_days') }} as integer) as days_over_stall_limit,
        cast({{ days_since_last_activity }} as integer) as days_since_last_activity,
        {{ is_inactive(days_since_last_activity) }} as is_inactive,
        cast({{ days_over(days_since_last_activity, var('stall_inactivity_days')) }} as integer) as days_over_inactivity_limit,
        cast({{ days_since_last_update }} as integer) as days_since_last_update,
        {{ days_since_last_update }} >= {{ var('stale_days') }} as is_stale,
        expected_close_date < as_of_date as is_overdue,
        cast(push_count as bigint) as push_count,
        cast(push_days as integer) as push_days,
        cast(quarter_push_count as bigint) as quarter_push_count,
        cast(amount_change_count as bigint) as amount_change_count,
        cast(regression_count as bigint) as regression_count
    from facts
)

select * from final
