-- What is this deal worth after its risk?
-- Why does its win probability differ from its segment's?
-- The most money at risk first. by_stage_and_age_pp is what the days in its stage (or its age, without stage history) do to its segment's win rate, and
-- by_segment_pp what its segments differ by given that; the two sum to the whole difference, in points. The interval is that of the rate of such deals: this
-- deal will be won or lost. cell_effective_deals says how many deals the rate rests on. May be empty: without open deals.
with

fct_deal_values as (
    select * from {{ ref('fct_deal_values') }}
),

final as (
    select
        deal_id,
        deal_stage,
        age_basis,
        age_band,
        raw_amount,
        rapv_probability,
        rapv_probability_lower,
        rapv_probability_upper,
        rapv_amount,
        revenue_at_risk_amount,
        segment_win_rate,
        100 * (cell_win_rate - segment_win_rate) as by_stage_and_age_pp,
        100 * (rapv_probability - cell_win_rate) as by_segment_pp,
        cell_effective_deals,
        value_status,
        value_reason
    from fct_deal_values
)

select * from final
order by revenue_at_risk_amount desc, deal_id asc
