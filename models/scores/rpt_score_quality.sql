with

ml_score_quality as (
    select * from {{ ref('ml_score_quality') }}
),

folds as (
    select
        fit,
        max(trained_until_date) as trained_until_date,
        max(tested_until_date) as tested_until_date,
        max(case when method = 'model' then penalty end) as penalty,
        max(training_deal_count) as training_deal_count,
        max(case when method = 'base' then 1 / (1 + exp(-contribution)) end) as base_win_rate
    from {{ ref('ml_score_fits') }}
    where factor is null
    group by fit
),

statuses as (
    select
        score_status,
        is_automation_ready
    from ml_score_quality
    where fold = 'all'
),

judged as (
    select
        quality.*,
        quality.score_status as fold_status,
        folds.trained_until_date,
        folds.tested_until_date,
        folds.penalty,
        folds.training_deal_count,
        folds.base_win_rate,
        statuses.score_status as final_status,
        statuses.is_automation_ready as is_ready
    from ml_score_quality as quality
    cross join statuses
    left join folds
        on case quality.fold when 'all' then 'final' else quality.fold end = folds.fit
),

final as (
    select
        fold,
        trained_until_date,
        tested_until_date,
        coalesce(training_deal_count, 0) as training_deal_count,
        deal_count,
        observation_count,
        won_deal_count,
        cast(won_deal_count as double) / nullif(deal_count, 0) as win_rate,
        base_win_rate,
        auc,
        auc_lower,
        auc_upper,
        auc_gate_lower,
        brier,
        brier_table,
        brier_base,
        1 - brier / nullif(brier_base, 0) as brier_skill,
        1 - brier_table / nullif(brier_base, 0) as brier_table_skill,
        brier_t_value,
        gate_p_value,
        calibration_slope,
        calibration_slope_lower,
        calibration_slope_upper,
        calibration_intercept,
        calibration_intercept_lower,
        calibration_intercept_upper,
        precision_at_k,
        cast({{ var('score_precision_share') }} as double) as k_share,
        penalty,
        fold_status in ('model', 'table') as is_gate_passed,
        case fold_status
            when 'cold_start' then 'insufficient_n'
            when 'gated' then 'no_signal'
            else 'signal'
        end as verdict,
        final_status as score_status,
        is_ready as is_automation_ready,
        case
            when auc is null then 'Too few deals have closed long enough ago to test a score on deals created after its training: the base rate is shown.'
            else
                'On ' || deal_count || ' deals created after the training, the score put a won deal above a lost one in ' || {{ percent('auc') }}
                || ' of pairs ' || {{ interval('auc_lower', 'auc_upper', 100) }} || ', and its squared error was '
                || {{ percent('abs(1 - brier / nullif(brier_base, 0))') }} || case when brier <= brier_base then ' below' else ' above' end
                || ' that of the base rate.'
                || case
                    when fold <> 'all' then ''
                    when final_status = 'model' then ' The gate is open: scores come from the model.'
                    when final_status = 'table' then ' The gate is open: scores come from the table, which did better than the model.'
                    else ' The gate is closed: that could be chance, so every open deal shows the base rate.'
                end
                || case
                    when fold <> 'all' or final_status = 'gated' then ''
                    when is_ready then ''
                    else ' It is too weak to act on without a person.'
                end
        end as finding
    from judged
)

select * from final
