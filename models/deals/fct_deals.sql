{{ config(materialized = 'view') }}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_mature_cohorts as (
    select * from {{ ref('int_mature_cohorts') }}
),

last_visits as (
    select
        deal_id,
        case when is_censored then stage end as open_stage,
        has_reached_late_stage
    from {{ ref('int_deal_stage_visits') }}
    where is_last
),

newer_stages as (
    select deal_id
    from {{ ref('int_current_stages') }}
    where stage_newer_in = 'file'
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
        int_deals.is_win_rate_eligible,
        int_deals.is_cycle_eligible,
        int_deals.is_value_eligible,
        int_deals.sales_rep_id,
        int_deals.industry,
        int_deals.region,
        int_deals.product_type,
        int_deals.lead_source,
        int_deals.deal_type,
        int_deals.pipeline,
        case when newer_stages.deal_id is null then coalesce(last_visits.open_stage, int_deals.deal_stage) else int_deals.deal_stage end as deal_stage,
        int_deals.is_open and last_visits.open_stage is null as is_stage_undated,
        last_visits.has_reached_late_stage,
        int_deals.deal_amount,
        int_deals.amount_problem,
        int_deals.deal_size_band,
        int_deals.cycle_days,
        int_deals.cycle_band,
        case when int_deals.is_open or int_deals.is_cycle_eligible then int_deals.age_days end as age_days,
        int_deals.cohort_month,
        int_deals.closed_month,
        int_deals.expected_close_date,
        int_deals.stage_probability,
        int_deals.forecast_category,
        int_deals.currency_code,
        int_deals.deal_amount_in_currency,
        int_deals.lost_reason,
        int_deals.competitor,
        int_deals.next_step,
        int_deals.updated_at,
        int_deals.is_amount_undated,
        coalesce(int_deals.deal_amount > int_deal_bounds.outlier_amount, false) as is_amount_outlier,
        int_mature_cohorts.is_mature as is_mature_cohort,
        int_deals.as_of_date
    from int_deals
    cross join int_deal_bounds
    inner join int_mature_cohorts
        on int_deals.cohort_month = int_mature_cohorts.cohort_month
    left join last_visits
        on int_deals.deal_id = last_visits.deal_id
    left join newer_stages
        on int_deals.deal_id = newer_stages.deal_id
)

select * from final
