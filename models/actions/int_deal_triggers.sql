with

facts as (
    select
        deal_id,
        cast(days_since_last_activity as double) as days_since_last_activity,
        cast(days_in_stage as double) as days_in_stage,
        cast(days_over_stall_limit as double) as days_over_stall_limit,
        cast({{ dbt.datediff('expected_close_date', 'as_of_date', 'day') }} as double) as days_overdue,
        cast(push_count as double) as push_count,
        cast(days_since_last_update as double) as days_since_last_update
    from {{ ref('fct_open_deals') }}
),

final as (
    select
        deal_id,
        'fact' as trigger_kind,
        trigger_name,
        trigger_value,
        cast(null as bigint) as trigger_deal_count,
        cast(null as {{ dbt.type_string() }}) as reason
    from facts
    unpivot (trigger_value for trigger_name in (
        days_since_last_activity, days_in_stage, days_over_stall_limit, days_overdue, push_count, days_since_last_update
    ))

    union all

    select
        deal_id,
        'reason' as trigger_kind,
        factor as trigger_name,
        -contribution_pp as trigger_value,
        training_deal_count as trigger_deal_count,
        reason
    from {{ ref('fct_deal_score_reasons') }}
    where can_rep_change
)

select * from final
