-- Do deals at 70 % win 70 %?
-- Where are scores too high?
-- Predicted and won by bin of the model's probability, on deals that the tested fits didn't know. compared says too high or too low only where the predicted
-- rate lies outside the interval of the won one; a fit that is right does so in one bin in twenty. Bins of fewer effective deals than min_segment_deals aren't
-- compared. Neighbouring bins that all lean one way count for more than one bin: see calibration_slope and intercept in rpt_score_quality.
-- May be empty: where too few deals have closed to test a score.
with

rpt_score_calibration as (
    select * from {{ ref('rpt_score_calibration') }}
    where method = 'model'
),

final as (
    select
        lower_bound,
        upper_bound,
        deal_count,
        effective_deal_count,
        predicted_win_rate,
        win_rate,
        win_rate_lower,
        win_rate_upper,
        case
            when effective_deal_count < {{ var('min_segment_deals') }} then 'insufficient_n'
            when predicted_win_rate > win_rate_upper then 'too high'
            when predicted_win_rate < win_rate_lower then 'too low'
            else 'within chance'
        end as compared
    from rpt_score_calibration
)

select * from final
order by lower_bound
