with

int_months as (
    select * from {{ ref('int_months') }}
),

health_metrics as (
    select * from {{ ref('health_metrics') }}
),

-- The yields of the open pipeline are those of the default method, so only where that is RAPV do they bound it.
month_ends as (
    select
        cast({{ dbt.date_trunc('month', 'forecast_date') }} as date) as period_start_date,
        open_deal_count,
        raw_amount,
        forecast_amount as rapv_amount,
        yield_p10_amount as p10_amount,
        yield_p90_amount as p90_amount
    from {{ ref('rpt_pipeline_value_backtest') }}
    where method = 'rapv'

    union all

    select
        cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as period_start_date,
        open_deal_count,
        raw_amount,
        rapv_amount,
        case when '{{ var("default_value_method") }}' = 'rapv' then yield_p10_amount end as p10_amount,
        case when '{{ var("default_value_method") }}' = 'rapv' then yield_p90_amount end as p90_amount
    from {{ ref('rpt_pipeline_value') }}
    where segment_dimension = 'all'
),

metrics as (
    select * from {{ ref('int_monthly_rates') }}
    union all
    select * from {{ ref('int_monthly_efficiency') }}
    union all
    select
        health_metrics.metric,
        health_metrics.basis,
        month_ends.period_start_date,
        case health_metrics.metric
            when 'raw_amount' then month_ends.raw_amount
            when 'risk_adjusted_amount' then month_ends.rapv_amount
            when 'optimism_gap' then 1 - month_ends.rapv_amount / nullif(month_ends.raw_amount, 0)
            when 'revenue_at_risk' then month_ends.raw_amount - month_ends.rapv_amount
        end as metric_value,
        case health_metrics.metric
            when 'risk_adjusted_amount' then month_ends.p10_amount
            when 'optimism_gap' then 1 - month_ends.p90_amount / nullif(month_ends.raw_amount, 0)
            when 'revenue_at_risk' then month_ends.raw_amount - month_ends.p90_amount
        end as value_lower,
        case health_metrics.metric
            when 'risk_adjusted_amount' then month_ends.p90_amount
            when 'optimism_gap' then 1 - month_ends.p10_amount / nullif(month_ends.raw_amount, 0)
            when 'revenue_at_risk' then month_ends.raw_amount - month_ends.p10_amount
        end as value_upper,
        month_ends.open_deal_count as deal_count
    from month_ends
    inner join health_metrics
        on health_metrics.basis = 'month_end'
    union all
    select
        health_metrics.metric,
        health_metrics.basis,
        mix.period_start_date,
        case health_metrics.metric
            when 'good_segment_share' then mix.good_segment_share
            when 'pipeline_quality' then mix.pipeline_quality
            when 'mix_index' then mix.mix_index
            when 'coverage_needed' then mix.coverage_needed
            when 'coverage' then mix.coverage
        end as metric_value,
        null as value_lower,
        null as value_upper,
        mix.open_deal_count as deal_count
    from {{ ref('int_open_mix') }} as mix
    inner join health_metrics
        on health_metrics.basis = 'as_of_date'
    where mix.open_deal_count > 0
),

final as (
    select
        months.period_start_date,
        health_metrics.metric,
        health_metrics.basis,
        health_metrics.metric_order,
        health_metrics.unit,
        cast(case when health_metrics.basis <> 'created_cohort' or months.is_mature_cohort then metrics.metric_value end as double) as metric_value,
        cast(case when health_metrics.basis <> 'created_cohort' or months.is_mature_cohort then metrics.value_lower end as double) as value_lower,
        cast(case when health_metrics.basis <> 'created_cohort' or months.is_mature_cohort then metrics.value_upper end as double) as value_upper,
        cast(metrics.deal_count as bigint) as deal_count,
        case
            when health_metrics.basis = 'created_cohort' and not months.is_mature_cohort then 'immature_cohort'
            when health_metrics.metric = 'mean_won_cycle_days' and health_metrics.basis = 'closed_date' and months.is_truncated then 'truncated'
            when health_metrics.basis in ('closed_date', 'month', 'month_end') and months.is_partial_period then 'partial_period'
            else 'complete'
        end as period_status,
        health_metrics.meaning,
        months.as_of_date
    from metrics
    inner join health_metrics
        on
            metrics.metric = health_metrics.metric
            and metrics.basis = health_metrics.basis
    inner join int_months as months
        on metrics.period_start_date = months.period_start_date
    where metrics.metric_value is not null
)

select * from final
