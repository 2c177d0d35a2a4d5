-- Has our pipeline changed its kind?
-- Which factor moved most?
-- Each factor of the scores, and the score itself, in the deals open now against those open at past month ends. Only a signal has moved by more than
-- chance; signals stand first, by how far psi exceeds what chance makes of it. Drift doesn't say that scores are wrong: can_the_scores_be_believed does.
-- May be empty: without open deals.
with

rpt_score_drift as (
    select * from {{ ref('rpt_score_drift') }}
),

final as (
    select
        factor,
        factor_label,
        open_deal_count,
        reference_deal_count,
        psi,
        no_drift_psi,
        no_drift_psi_upper,
        psi - no_drift_psi as excess_psi,
        q_value,
        verdict,
        most_moved_level,
        open_share,
        reference_share,
        coalesce(missing_reason, finding) as finding
    from rpt_score_drift
)

select * from final
order by case verdict when 'signal' then 1 when 'no_signal' then 2 else 3 end asc, excess_psi desc, factor asc
