-- Do deals to which an action was offered win more than those held out by chance?
-- What can't be concluded?
-- One row an action, and all together. Read difference with its interval and the verdict: offered and held out were drawn by lot, so nothing else differs between them. association_difference
-- compares deals that were acted on with others; reps choose whom they act on, so it says nothing about the action.
-- May be empty: without interventions, or before any flagged deal has closed.
with

rpt_intervention_effects as (
    select * from {{ ref('rpt_intervention_effects') }}
),

final as (
    select
        action_id,
        offered_deal_count,
        offered_win_rate,
        offered_acted_share,
        holdout_deal_count,
        holdout_win_rate,
        compared_deal_count,
        further_deal_count,
        difference,
        difference_lower,
        difference_upper,
        effect_per_acted_deal,
        effect_per_acted_deal_lower,
        effect_per_acted_deal_upper,
        q_value,
        verdict,
        association_difference,
        finding,
        cannot_conclude
    from rpt_intervention_effects
)

select * from final
order by action_id <> 'all', action_id
