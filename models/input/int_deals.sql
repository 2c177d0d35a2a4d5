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
        is_win_rate_eligible,
        is_cycle_eligible,
        is_value_eligible,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        deal_type,
        {% for each in own_dimensions() -%}
        {{ each.dimension }},
        {% endfor -%}
        pipeline,
        deal_stage,
        stated_stage,
        deal_amount,
        amount_problem,
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
        deal_amount_in_currency,
        home_rate,
        lost_reason,
        competitor,
        next_step,
        updated_at,
        recorded_at,
        amount_newer_in,
        close_date_newer_in,
        owner_newer_in,
        is_closed_date_unreadable,
        has_close_date_while_open,
        closes_later,
        as_of_date
    from int_judged_deals
    where reason_codes is null
)

select * from final
