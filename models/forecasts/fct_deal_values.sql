-- RAPV is worked out in int_deal_forecasts: this adds intervals, and says in words where something had to stand in.
with

int_deal_forecasts as (
    select * from {{ ref('int_deal_forecasts') }}
    where
        is_as_of_date
        and is_still_open
),

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where
        problem = 'no_close_date'
        and is_bending
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

forecasts as (
    select
        int_deal_forecasts.*,
        coalesce(int_deal_forecasts.stage, int_deals.deal_stage) as known_stage,
        int_confidence_quantile.normal_quantile * sqrt(int_deal_forecasts.log_odds_variance) as half_width,
        case
            when int_deal_forecasts.rapv_probability is null then 'nothing mature: no closed deal of a mature cohort is known yet'
            when int_deal_forecasts.deal_amount is null then 'the deal has no amount: its win probability is known, its value isn''t'
        end as missing_reason,
        nullif(concat_ws(
            '; ',
            case
                when int_deal_forecasts.has_stage_rates and int_deal_forecasts.stage is null then 'no stage history: valued by the age of the deal'
                when not int_deal_forecasts.has_stage_rates and int_deal_forecasts.stage is not null
                    then 'no mature deal has stage history: valued by the age of the deal'
            end,
            case
                when exists (select 1 from bent)
                    then 'won and lost deals lack their close dates unequally often: valued at the rate of all closed deals'
            end,
            case when int_deal_forecasts.effective_deal_count = 0 and not exists (select 1 from bent) then 'no mature deal was seen at this age: valued at the parent''s rate' end,
            case
                when int_deal_forecasts.unseen_dimensions is not null
                    then concat('no deal has closed in this ', int_deal_forecasts.unseen_dimensions, ': valued at the rate of all deals')
            end
        ), '') as fallback_reason
    from int_deal_forecasts
    inner join int_deals
        on int_deal_forecasts.deal_id = int_deals.deal_id
    cross join int_confidence_quantile
),

final as (
    select
        deal_id,
        deal_amount,
        known_stage as deal_stage,
        band_type as age_basis,
        band as age_band,
        cell_win_rate,
        effective_deal_count as cell_effective_deals,
        log_odds_offset,
        rapv_probability,
        1 / (1 + exp(-(win_log_odds + log_odds_offset - half_width))) as rapv_probability_lower,
        1 / (1 + exp(-(win_log_odds + log_odds_offset + half_width))) as rapv_probability_upper,
        base_rate as base_win_rate,
        model_probability,
        segment_win_rate,
        rapv_probability / nullif(segment_win_rate, 0) as aging_factor,
        aging_factor_published,
        stage_probability,
        raw_amount,
        stage_weighted_amount,
        flat_amount,
        segment_amount,
        rapv_amount,
        model_amount,
        published_aging_amount,
        raw_amount - rapv_amount as revenue_at_risk_amount,
        case
            when missing_reason is not null then 'not_computable'
            when fallback_reason is not null then 'fallback'
            else 'computed'
        end as value_status,
        coalesce(missing_reason, fallback_reason) as value_reason,
        forecast_date as as_of_date
    from forecasts
)

select * from final
