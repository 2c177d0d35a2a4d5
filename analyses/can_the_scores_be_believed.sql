-- Did scores of past dates rank and price deals that were created later, and is the gate open?
-- Each past date is a fold: fitted on what was known then, tested on deals created after it. `all` decides. An AUC of 0.5 is a coin, a Brier skill
-- of 0 is the base rate, and a calibration slope below 1 says that extreme scores were too extreme.
with

rpt_score_quality as (
    select * from {{ ref('rpt_score_quality') }}
),

final as (
    select
        fold,
        trained_until_date,
        deal_count,
        auc,
        auc_lower,
        auc_upper,
        brier_skill,
        calibration_slope,
        score_status,
        finding
    from rpt_score_quality
)

select * from final
order by fold asc
