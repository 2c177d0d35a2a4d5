{{ config(materialized = "view") }}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

dated as (
    select
        int_parsed__deals.*,
        int_as_of.as_of_date,
        coalesce(int_as_of.is_given and int_parsed__deals.created_date > int_as_of.as_of_date, false) as is_not_yet_known,
        coalesce(int_as_of.is_given and int_parsed__deals.closed_date > int_as_of.as_of_date, false) as closes_later,
        coalesce(int_as_of.is_given and cast(int_parsed__deals.updated_at as date) > int_as_of.as_of_date, false) as is_updated_later
    from int_parsed__deals
    cross join int_as_of
),

-- What a row holds only because its deal closed is unknown on a date before that.
final as (
    select
        as_of_date,
        is_not_yet_known,
        deal_id,
        created_at,
        created_date,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        deal_amount,
        is_created_date_unreadable,
        is_closed_date_unreadable,
        is_deal_amount_unreadable,
        expected_close_date,
        account_id,
        deal_name,
        currency_code,
        case when not closes_later then closed_at end as closed_at,
        case when not closes_later then closed_date end as closed_date,
        case when not closes_later then outcome end as outcome,
        case when not closes_later then deal_stage end as deal_stage,
        case when not closes_later then stated_cycle_days end as stated_cycle_days,
        case when not closes_later then stage_probability end as stage_probability,
        case when not closes_later then forecast_category end as forecast_category,
        case when not closes_later then lost_reason end as lost_reason,
        case when not closes_later then competitor end as competitor,
        case when not is_updated_later then updated_at end as updated_at,
        raw_deal_id,
        raw_created_date,
        case when not closes_later then raw_closed_date end as raw_closed_date,
        raw_sales_rep_id,
        raw_industry,
        raw_region,
        raw_product_type,
        raw_lead_source,
        case when not closes_later then raw_deal_stage end as raw_deal_stage,
        raw_deal_amount,
        case when not closes_later then raw_outcome end as raw_outcome,
        case when not closes_later then raw_sales_cycle_days end as raw_sales_cycle_days,
        raw_expected_close_date,
        case when not closes_later then raw_stage_probability end as raw_stage_probability,
        case when not closes_later then raw_forecast_category end as raw_forecast_category,
        raw_account_id,
        raw_deal_name,
        raw_currency_code,
        case when not closes_later then raw_lost_reason end as raw_lost_reason,
        case when not closes_later then raw_competitor end as raw_competitor,
        case when not is_updated_later then raw_updated_at end as raw_updated_at
    from dated
)

select * from final
