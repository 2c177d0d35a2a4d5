{% set at_risk = "'" ~ var('at_risk_categories') | join("', '") ~ "'" %}

with

dim_reps as (
    select * from {{ ref('dim_reps') }}
    where deal_count > 0
),

int_segment_win_rate_estimates as (
    select * from {{ ref('int_segment_win_rate_estimates') }}
    where segment_dimension = 'sales_rep_id' and period = 'all'
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
        count(*) - count(deals.deal_amount) as no_amount_deal_count,
        coalesce(sum(deals.deal_amount), 0) as open_amount,
        sum(deal_values.rapv_amount) as rapv_amount,
        sum(deal_values.revenue_at_risk_amount) as revenue_at_risk_amount,
        avg(scores.risk_score) as mean_risk_score,
        sum(case when scores.risk_category in ({{ at_risk }}) then 1 else 0 end) as at_risk_deal_count,
        sum(case when scores.risk_category in ({{ at_risk }}) then coalesce(deals.deal_amount, 0) else 0 end) as at_risk_amount,
        sum(cast(deals.is_stalled_in_stage as integer)) as stalled_in_stage_deal_count,
        sum(cast(deals.is_inactive as integer)) as inactive_deal_count
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
        rates.win_rate_lower,
        rates.win_rate_upper,
        rates.account_count,
        rates.design_effect,
        rates.rep_group,
        rates.judged_rep_count,
        rates.is_in_reference,
        rates.reference_rep_count,
        rates.reference_reps,
        rates.reference_deal_count,
        rates.reference_won_deal_count,
        rates.expected_won_deal_count,
        rates.risk_adjusted_win_rate,
        rates.reference_win_rate,
        rates.vs_reference_difference,
        rates.vs_reference_lower,
        rates.vs_reference_upper,
        rates.vs_reference_confidence_level,
        rates.shrunk_vs_reference_difference,
        rates.detectable_difference,
        rates.z_score,
        rates.p_value,
        rates.adjusted_p_value,
        rates.p_value_threshold,
        said.forecast_bias_rate,
        said.forecast_bias_lower,
        said.forecast_bias_upper,
        said.forecast_bias_p_value,
        said.forecast_bias_adjusted_p_value,
        said.on_time_rate_lower,
        said.on_time_rate_upper,
        coalesce(rates.verdict, 'insufficient_n') as verdict,
        states.signal_state,
        states.signal_since_date,
        case when rates.verdict is null then 'no deal has closed' else rates.missing_reason end as missing_reason,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.open_deal_count end as bigint) as open_deal_count,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.no_amount_deal_count end as bigint) as no_amount_deal_count,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.open_amount end as decimal(18, 2)) as open_amount,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.rapv_amount end as double) as rapv_amount,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.revenue_at_risk_amount end as double) as revenue_at_risk_amount,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.at_risk_deal_count end as bigint) as at_risk_deal_count,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.at_risk_amount end as decimal(18, 2)) as at_risk_amount,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.stalled_in_stage_deal_count end as bigint) as stalled_in_stage_deal_count,
        cast(case when known.has_open_deals and open_deals.sales_rep_id is null then 0 else open_deals.inactive_deal_count end as bigint) as inactive_deal_count,
        open_deals.mean_risk_score,
        forecasts.forecast_date_count,
        forecasts.forecast_deal_count,
        forecasts.forecast_amount,
        forecasts.realised_amount,
        coalesce(said.forecast_bias_verdict, 'not_computable') as forecast_bias_verdict,
        close_dates.dated_deal_count,
        close_dates.on_time_deal_count,
        close_dates.on_time_deal_count * 1.0 / close_dates.dated_deal_count as on_time_rate,
        close_dates.median_slip_days,
        known.as_of_date,
        reference_rep.rep_name as reference_rep_name
    from dim_reps
    inner join known
        on known.has_closed_deals
    left join {{ ref('ml_rep_win_rates') }} as rates
        on dim_reps.sales_rep_id = rates.sales_rep_id
    left join dim_reps as reference_rep
        on rates.reference_reps = reference_rep.sales_rep_id
    left join {{ ref('int_signal_states') }} as states
        on
            dim_reps.sales_rep_id = states.claim
            and states.claim_type = 'rep'
    left join {{ ref('ml_rep_forecasts') }} as said
        on dim_reps.sales_rep_id = said.sales_rep_id
    left join int_segment_win_rate_estimates as estimates
        on dim_reps.sales_rep_id = estimates.segment_value
    left join {{ ref('int_rep_forecasts') }} as forecasts
        on dim_reps.sales_rep_id = forecasts.sales_rep_id
    left join {{ ref('int_rep_close_dates') }} as close_dates
        on dim_reps.sales_rep_id = close_dates.sales_rep_id
    left join open_deals
        on dim_reps.sales_rep_id = open_deals.sales_rep_id
),

final as (
    select
        joined.* exclude (reference_rep_name), -- noqa: references.consistent
        {{ rep_finding('joined') }} as finding,
        {{ rep_forecast_finding('joined') }} as forecast_finding
    from joined
)

select * from final
