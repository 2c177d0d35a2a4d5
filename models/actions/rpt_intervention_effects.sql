with

int_intervention_tests as (
    select * from {{ ref('int_intervention_tests') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

compared as (
    select
        tests.action_id,
        tests.offered_deal_count,
        tests.offered_won_deal_count,
        tests.offered_won_deal_count * 1.0 / nullif(tests.offered_deal_count, 0) as offered_win_rate,
        tests.offered_acted_deal_count,
        tests.offered_acted_deal_count * 1.0 / nullif(tests.offered_deal_count, 0) as offered_acted_share,
        tests.holdout_deal_count,
        tests.holdout_won_deal_count,
        tests.holdout_won_deal_count * 1.0 / nullif(tests.holdout_deal_count, 0) as holdout_win_rate,
        tests.holdout_acted_deal_count,
        tests.holdout_acted_deal_count * 1.0 / nullif(tests.holdout_deal_count, 0) as holdout_acted_share,
        tests.compared_deal_count,
        tests.left_out_deal_count,
        tests.further_deal_count,
        tests.difference,
        tests.difference_lower,
        tests.difference_upper,
        tests.effect_per_acted_deal,
        tests.effect_per_acted_deal_lower,
        tests.effect_per_acted_deal_upper,
        tests.association_deal_count,
        tests.association_difference,
        tests.association_difference_lower,
        tests.association_difference_upper,
        tests.acted_unflagged_deal_count,
        tests.p_value,
        tests.q_value,
        tests.verdict,
        tests.missing_reason,
        int_as_of.as_of_date
    from int_intervention_tests as tests
    cross join int_as_of
),

final as (
    select
        *,
        {{ intervention_finding('compared') }} as finding,
        {{ intervention_caveat('compared') }} as cannot_conclude
    from compared
)

select * from final
