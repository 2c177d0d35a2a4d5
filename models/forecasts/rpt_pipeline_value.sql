-- noqa: disable=layout.indent
with

fct_deal_values as (
    select * from {{ ref('fct_deal_values') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

ml_pipeline_yields as (
    select * from {{ ref('ml_pipeline_yields') }}
),

-- A row per deal and segment it is in.
segments as (
    select
        fct_deal_values.deal_id,
        fct_deal_values.raw_amount,
        fct_deal_values.stage_weighted_amount,
        fct_deal_values.flat_amount,
        fct_deal_values.segment_amount,
        fct_deal_values.rapv_amount,
        fct_deal_values.model_amount,
        fct_deal_values.published_aging_amount,
        fct_deal_values.revenue_at_risk_amount,
        fct_deal_values.as_of_date,
        unnest({{ pipeline_segment_dimensions() }}) as segment_dimension,
        unnest({{ pipeline_segment_values('int_deals', 'fct_deal_values.deal_stage') }}) as segment_value,
        fct_deal_values.raw_amount * fct_deal_values.revenue_at_risk_amount * fct_deal_values.rapv_probability as outcome_variance
    from fct_deal_values
    inner join int_deals
        on fct_deal_values.deal_id = int_deals.deal_id
),

ranked as (
    select
        *,
        row_number() over (partition by segment_dimension, segment_value order by raw_amount desc nulls last, deal_id asc) as amount_rank
    from segments
),

summed as (
    select
        segment_dimension,
        segment_value,
        count(*) as open_deal_count,
        count(*) - count(raw_amount) as no_amount_deal_count,
        cast(coalesce(sum(raw_amount), 0) as decimal(18, 2)) as raw_amount,
        count(stage_weighted_amount) as stage_weighted_deal_count,
        sum(stage_weighted_amount) as stage_weighted_amount,
        sum(flat_amount) as flat_amount,
        sum(segment_amount) as segment_amount,
        sum(rapv_amount) as rapv_amount,
        sum(model_amount) as model_amount,
        sum(published_aging_amount) as published_aging_amount,
        sum(revenue_at_risk_amount) as revenue_at_risk_amount,
        -- Sums of doubles differ in their last digits: where all is certain, one may be above the other.
        case
            when sum(raw_amount) <= 0 or sum(rapv_amount) < 0 then null
            when sum(rapv_amount) > sum(raw_amount) then 0
            else 1 - sum(rapv_amount) / sum(raw_amount)
        end as optimism_gap,
        sum(case when amount_rank <= 5 then outcome_variance end) / nullif(sum(outcome_variance), 0) as largest_five_variance_rate,
        max(as_of_date) as as_of_date
    from ranked
    group by segment_dimension, segment_value
),

final as (
    select
        summed.*,
        ml_pipeline_yields.yield_p10_amount,
        ml_pipeline_yields.yield_p50_amount,
        ml_pipeline_yields.yield_p90_amount,
        ml_pipeline_yields.shock_deviation,
        coalesce(ml_pipeline_yields.shock_date_count, 0) as shock_date_count,
        coalesce(ml_pipeline_yields.band_status, 'not_computable') as band_status
    from summed
    left join ml_pipeline_yields
        on
            summed.as_of_date = ml_pipeline_yields.forecast_date
            and summed.segment_dimension = ml_pipeline_yields.segment_dimension
            and summed.segment_value = ml_pipeline_yields.segment_value
)

select * from final
