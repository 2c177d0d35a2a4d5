{{ config(materialized = "view") }}

with

int_judged_deals as (
    select * from {{ ref('int_judged_deals') }}
),

final as (
    select
        deal_id,
        deal_name,
        account_id,
        created_at,
        created_date,
        closed_at,
        closed_date,
        outcome,
        is_open,
        is_won,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        deal_stage,
        deal_amount,
        is_amount_undated,
        deal_size_band,
        cycle_days,
        cycle_band,
        stated_cycle_days,
        age_days,
        cohort_month,
        closed_month,
        expected_close_date,
        stage_probability,
        forecast_category,
        currency_code,
        lost_reason,
        competitor,
        updated_at,
        cast(null as {{ dbt.type_string() }}) as pipeline,
        as_of_date
    from int_judged_deals
    where reason_codes is null
)

select * from final
