-- Which reps win more or less than expected given their deals, and is it more than chance?
-- Who is R07's manager?
-- Which reps stand in no reps file?
-- Read the difference with its interval: win_rate alone ranks luck and the mix of deals. Reps whose verdict is a signal stand first, all others by
-- name, because the order of what chance can explain says nothing. Of two reps of a region both rows say the same: nobody can tell which of them is
-- unusual. Reps without a deal, and so without a figure, are there too.
with

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

rpt_rep_performance as (
    select * from {{ ref('rpt_rep_performance') }}
),

final as (
    select
        dim_reps.sales_rep_id,
        dim_reps.rep_name,
        dim_reps.team,
        dim_reps.manager,
        dim_reps.is_in_reps_file,
        performance.closed_deal_count,
        performance.won_deal_count,
        performance.win_rate,
        performance.win_rate_lower,
        performance.win_rate_upper,
        performance.rep_group,
        performance.reference_rep_count,
        performance.expected_won_deal_count,
        performance.risk_adjusted_win_rate,
        performance.reference_win_rate,
        performance.vs_reference_difference,
        performance.vs_reference_lower,
        performance.vs_reference_upper,
        performance.detectable_difference,
        performance.adjusted_p_value,
        performance.verdict,
        coalesce(performance.missing_reason, performance.finding) as finding
    from dim_reps
    left join rpt_rep_performance as performance
        on dim_reps.sales_rep_id = performance.sales_rep_id
)

select * from final
order by case verdict when 'signal' then 1 else 2 end asc, sales_rep_id asc
