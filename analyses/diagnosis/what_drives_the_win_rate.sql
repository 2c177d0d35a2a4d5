-- Which sources are associated with more wins, whoever sells?
-- Is any driver more than chance?
-- A plain win rate mixes a source with whoever works it; here each level is compared with those of its factor that don't stand out, at equal other factors. No
-- row with the verdict `signal` is an answer too. Associated is not caused: a source that wins may be given the better deals. Signals stand first, then
-- factors by name: effects that chance can explain are not ranked.
with

rpt_win_rate_drivers as (
    select * from {{ ref('rpt_win_rate_drivers') }}
    where not is_known_only_after_close
),

final as (
    select
        factor,
        level,
        closed_deal_count,
        win_rate,
        adjusted_win_rate,
        vs_others_pp,
        vs_others_lower_pp,
        vs_others_upper_pp,
        shrunk_vs_others_pp,
        adjusted_p_value,
        verdict,
        coalesce(missing_reason, finding) as finding
    from rpt_win_rate_drivers
)

select * from final
order by case verdict when 'signal' then 1 else 2 end asc, factor asc, level asc
