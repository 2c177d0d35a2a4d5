-- Can I believe the scores?
-- Are they good enough to act on automatically?
-- Each past date is a fold: fitted on what was known then, tested on deals created after it; the row `all` decides. An AUC of 0.5 is a coin, a Brier skill
-- of 0 is the base rate, and a calibration slope below 1 says that extreme scores were too extreme. score_status says what open deals have: a score,
-- or the base rate while the gate is closed. Act without a person only where is_automation_ready is true.
with

rpt_score_quality as (
    select * from {{ ref('rpt_score_quality') }}
),

final as (
    select
        fold,
        trained_until_date,
        training_deal_count,
        deal_count,
        auc,
        auc_lower,
        auc_upper,
        brier_skill,
        calibration_slope,
        calibration_slope_lower,
        calibration_slope_upper,
        verdict,
        score_status,
        is_automation_ready,
        finding
    from rpt_score_quality
)

select * from final
order by fold asc
