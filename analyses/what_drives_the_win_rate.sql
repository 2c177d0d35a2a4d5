-- Which factors go along with more or fewer wins, the others held equal, and has a direction changed?
-- A plain win rate mixes a source with whoever works it; here each level is compared with the others of its factor at equal other factors. No
-- row with the verdict `signal` is an answer too. Associated is not caused: a source that wins may be given the better deals.
with

rpt_win_rate_drivers as (
    select * from {{ ref('rpt_win_rate_drivers') }}
    where
        not is_known_only_after_close
        and is_judged
),

final as (
    select
        factor,
        level,
        closed_deal_count,
        win_rate,
        vs_others_pp,
        vs_others_lower_pp,
        vs_others_upper_pp,
        verdict,
        is_sign_flip,
        finding
    from rpt_win_rate_drivers
)

select * from final
order by case verdict when 'signal' then 1 else 2 end asc, abs(vs_others_pp) desc, factor asc, level asc
