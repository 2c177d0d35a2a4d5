{{ config(materialized = 'view') }}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_amount_fences as (
    select * from {{ ref('int_amount_fences') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

visited as (
    select
        visits.deal_id,
        max(case when visits.is_censored then visits.stage end) as open_stage,
        max(case when int_stages.is_late then 1 else 0 end) = 1 as has_reached_late_stage
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join {{ ref('int_stages') }} as int_stages
        on visits.stage = int_stages.stage
    group by visits.deal_id
),

final as (
    select
        int_deals.deal_id,
        int_deals.deal_name,
        int_deals.account_id,
        int_deals.created_at,
        int_deals.created_date,
        int_deals.closed_date,
        int_deals.outcome,
        int_deals.is_open,
        int_deals.is_won,
        int_deals.sales_rep_id,
        int_deals.industry,
        int_deals.region,
        int_deals.product_type,
        int_deals.lead_source,
        coalesce(visited.open_stage, int_deals.deal_stage) as deal_stage,
        int_deals.is_open and visited.open_stage is null as is_stage_undated,
        visited.has_reached_late_stage,
        int_deals.deal_amount,
        int_deals.deal_size_band,
        int_deals.cycle_days,
        int_deals.cycle_band,
        int_deals.age_days,
        int_deals.cohort_month,
        int_deals.closed_month,
        int_deals.expected_close_date,
        int_deals.stage_probability,
        int_deals.forecast_category,
        int_deals.currency_code,
        int_deals.lost_reason,
        int_deals.competitor,
        int_deals.updated_at,
        int_deals.is_amount_undated,
        int_deals.deal_amount > int_amount_fences.upper_fence as is_amount_outlier,
        int_cohort_maturity.is_mature as is_mature_cohort,
        int_deals.as_of_date
    from int_deals
    cross join int_amount_fences
    left join int_cohort_maturity
        on
            int_deals.cohort_month = int_cohort_maturity.cohort_month
            and int_deals.as_of_date = int_cohort_maturity.forecast_date
    left join visited
        on int_deals.deal_id = visited.deal_id
)

select * from final
