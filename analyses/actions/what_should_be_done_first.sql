-- What should each rep do first?
-- What made it necessary?
-- The first action of each open deal, immediate ones and large amounts on top; action_text ends with what made it necessary. Deals of the hold-out are left out:
-- nothing must be offered to them, or nobody will know whether actions help. effect_status says whether it is known at all that the action does.
-- May be empty: without open deals, or where no play of the playbook fires.
with

fct_recommended_actions as (
    select * from {{ ref('fct_recommended_actions') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

final as (
    select
        dim_reps.rep_name,
        actions.priority,
        actions.deal_id,
        actions.deal_amount,
        actions.action_text,
        actions.rationale,
        actions.evidence,
        actions.risk_category,
        actions.effect_status,
        actions.expected_value_amount,
        actions.expected_value_lower_amount,
        actions.expected_value_upper_amount
    from fct_recommended_actions as actions
    left join dim_reps
        on actions.sales_rep_id = dim_reps.sales_rep_id
    where
        actions.action_rank = 1
        and not actions.is_holdout
)

select * from final
order by
    rep_name asc,
    case priority when 'immediate' then 1 when 'this_week' then 2 else 3 end asc,
    deal_amount desc,
    deal_id asc
