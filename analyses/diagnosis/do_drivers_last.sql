-- Did this driver hold in every half-year?
-- Has its direction changed?
-- One row per driver and half-year, drivers that are a signal over all time first. holds says whether the half-year's interval lies on the side of the
-- driver's effect: a half-year has few deals, so `unclear` is no contradiction, and what is no signal over all time has nothing to hold.
-- stability_verdict says whether half-years differ by more than chance, and is_sign_flip whether the direction changed; both are of the driver, the same in
-- each of its rows.
with

rpt_win_rate_drivers as (
    select * from {{ ref('rpt_win_rate_drivers') }}
    where not is_known_only_after_close
),

rpt_win_rate_driver_half_years as (
    select * from {{ ref('rpt_win_rate_driver_half_years') }}
),

final as (
    select
        half_years.factor,
        half_years.level,
        drivers.verdict as driver_verdict,
        drivers.vs_others_pp as whole_vs_others_pp,
        half_years.half_year_start_date,
        half_years.closed_deal_count,
        half_years.win_rate,
        half_years.vs_others_pp,
        half_years.vs_others_lower_pp,
        half_years.vs_others_upper_pp,
        case
            when drivers.verdict <> 'signal' then 'no effect to hold'
            when half_years.vs_others_lower_pp is null then 'unknown'
            when half_years.vs_others_lower_pp <= 0 and half_years.vs_others_upper_pp >= 0 then 'unclear'
            when sign(half_years.vs_others_pp) = sign(drivers.vs_others_pp) then 'yes'
            else 'no'
        end as holds,
        half_years.half_year_count,
        half_years.stability_q_value,
        half_years.stability_verdict,
        half_years.is_sign_flip
    from rpt_win_rate_driver_half_years as half_years
    inner join rpt_win_rate_drivers as drivers
        on
            half_years.factor = drivers.factor
            and half_years.level = drivers.level
)

select * from final
order by case driver_verdict when 'signal' then 1 else 2 end asc, factor asc, level asc, half_year_start_date asc
