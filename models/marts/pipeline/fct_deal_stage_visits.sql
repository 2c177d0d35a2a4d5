with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

final as (
    select
        deal_id,
        visit_number,
        spell_number,
        stage,
        stage_order,
        entered_at,
        exited_at,
        is_censored,
        visit_seconds,
        days_in_stage,
        cumulative_days_in_stage,
        is_latest,
        is_reentry,
        is_regression,
        skipped_stage_count,
        exit_kind,
        is_left_truncated,
        observed_from_at,
        is_bulk_update
    from int_deal_stage_visits
)

select * from final
