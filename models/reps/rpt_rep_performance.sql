-- noqa: disable=layout.indent
{% set at_risk = "'" ~ var('at_risk_categories') | join("', '") ~ "'" %}
{% set figures = [
    'win_rate_lower', 'win_rate_upper', 'expected_won_deal_count', 'overall_win_rate', 'risk_adjusted_win_rate', 'risk_adjusted_lower',
    'risk_adjusted_upper', 'funnel_inner_lower', 'funnel_inner_upper', 'funnel_outer_lower', 'funnel_outer_upper', 'dispersion',
    'judged_rep_count', 'z_score', 'p_value', 'family_p_value', 'adjusted_p_value', 'forecast_bias_rate', 'forecast_bias_lower',
    'forecast_bias_upper', 'forecast_bias_p_value', 'forecast_bias_q_value', 'on_time_rate_lower', 'on_time_rate_upper',
] %}

with

dim_reps as (
    select * from {{ ref('dim_reps') }}
    where deal_count > 0
),

ml_rep_performance as (
    select * from {{ ref('ml_rep_performance') }}
),

int_segment_win_rate_estimates as (
    select * from {{ ref('int_segment_win_rate_estimates') }}
    where segment_dimension = 'sales_rep_id' and period = 'all'
),

int_rep_forecasts as (
    select * from {{ ref('int_rep_forecasts') }}
),

int_rep_close_dates as (
    select * from {{ ref('int_rep_close_dates') }}
),

known as (
    select
        int_as_of.as_of_date,
        capabilities.has_closed_deals,
        capabilities.has_open_deals
    from {{ ref('int_capabilities') }} as capabilities
    cross join {{ ref('int_as_of') }} as int_as_of
),

open_deals as (
    select
        deals.sales_rep_id,
        count(*) as open_deal_count,
        sum(deals.deal_amount) as open_amount,
        sum(deal_values.rapv_amount) as rapv_amount,
        sum(deal_values.revenue_at_risk_amount) as revenue_at_risk_amount,
        avg(scores.risk_score) as mean_risk_score,
        sum(case when scores.risk_category in ({{ at_risk }}) then 1 else 0 end) as at_risk_deal_count,
        sum(case when scores.risk_category in ({{ at_risk }}) then deals.deal_amount else 0 end) as at_risk_amount,
        sum(cast(deals.is_stalled as integer)) as stalled_deal_count
    from {{ ref('fct_open_deals') }} as deals
    left join {{ ref('fct_deal_values') }} as deal_values
        on deals.deal_id = deal_values.deal_id
    left join {{ ref('fct_deal_scores') }} as scores
        on deals.deal_id = scores.deal_id
    group by deals.sales_rep_id
),

joined as (
    select
        dim_reps.sales_rep_id,
        dim_reps.rep_name,
        dim_reps.team,
        dim_reps.manager,
        coalesce(rates.closed_deal_count, 0) as closed_deal_count,
        coalesce(rates.won_deal_count, 0) as won_deal_count,
        rates.won_deal_count * 1.0 / nullif(rates.closed_deal_count, 0) as win_rate,
        estimates.shrunk_win_rate,
        {% for column in figures -%}
            rates.{{ column }},
        {% endfor -%}
        coalesce(rates.verdict, 'insufficient_n') as verdict,
        case when rates.verdict is null then 'no deal has closed' else rates.missing_reason end as missing_reason,
        {% for column, type in [
            ('open_deal_count', 'bigint'), ('open_amount', 'decimal(18, 2)'), ('rapv_amount', 'double'), ('revenue_at_risk_amount', 'double'),
            ('at_risk_deal_count', 'bigint'), ('at_risk_amount', 'decimal(18, 2)'), ('stalled_deal_count', 'bigint'),
        ] -%}
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.{{ column }} end as {{ type }}) as {{ column }},
        {% endfor -%}
        open_deals.mean_risk_score,
        forecasts.forecast_date_count,
        forecasts.forecast_deal_count,
        forecasts.forecast_amount,
        forecasts.realised_amount,
        coalesce(rates.forecast_bias_verdict, 'not_computable') as forecast_bias_verdict,
        close_dates.dated_deal_count,
        close_dates.on_time_deal_count,
        close_dates.on_time_deal_count * 1.0 / close_dates.dated_deal_count as on_time_rate,
        close_dates.median_slip_days,
        known.as_of_date
    from dim_reps
    inner join known
        on known.has_closed_deals
    left join ml_rep_performance as rates
        on dim_reps.sales_rep_id = rates.sales_rep_id
    left join int_segment_win_rate_estimates as estimates
        on dim_reps.sales_rep_id = estimates.segment_value
    left join int_rep_forecasts as forecasts
        on dim_reps.sales_rep_id = forecasts.sales_rep_id
    left join int_rep_close_dates as close_dates
        on dim_reps.sales_rep_id = close_dates.sales_rep_id
    left join open_deals
        on dim_reps.sales_rep_id = open_deals.sales_rep_id
),

final as (
    select
        *,
        {{ rep_finding('joined') }} as finding,
        {{ rep_forecast_finding('joined') }} as forecast_finding
    from joined
)

select * from final
