-- Do deals take longer to close than they used to? Kaplan-Meier median of the days to close, by the month deals were created in, with open
-- deals counted as lasting longer than their age; interval by Brookmeyer and Crowley (log-log).
-- By the month of the close it can't be seen: the first months of a file hold short cycles only, its last ones long ones. And the mean of
-- closed deals makes every young cohort look fast. Read the intervals: neighbours that overlap haven't changed.
{% set normal_quantile = 1.959963984540054 %}

with

ages as (
    select
        cohort_month,
        age_days,
        count(case when not is_open then 1 end) as closed_count,
        sum(count(*)) over (partition by cohort_month order by age_days desc) as at_risk_count
    from {{ ref('fct_deals') }}
    where age_days is not null
    group by cohort_month, age_days
),

-- Survival and Greenwood's sum, while at least one deal is left open; then nothing survives, without an interval.
survival as (
    select
        *,
        closed_count = at_risk_count as have_all_closed,
        exp(sum(case when closed_count < at_risk_count then ln(1 - closed_count * 1.0 / at_risk_count) else 0 end) over ages_so_far)
            as open_share,
        sum(case
            when closed_count < at_risk_count then closed_count * 1.0 / at_risk_count / (at_risk_count - closed_count)
            else 0
        end) over ages_so_far as greenwood_sum
    from ages
    window ages_so_far as (partition by cohort_month order by age_days)
),

bounded as (
    select
        *,
        case when open_share < 1 then exp({{ normal_quantile }} * sqrt(greenwood_sum) / -ln(open_share)) end as log_margin
    from survival
),

medians as (
    select
        cohort_month,
        max(at_risk_count) as deal_count,
        max(at_risk_count) - sum(closed_count) as open_deal_count,
        min(case when have_all_closed or open_share <= 0.5 + 1e-12 then age_days end) as median_days,
        min(case when have_all_closed or pow(open_share, log_margin) <= 0.5 then age_days end) as median_lower_days,
        min(case when not have_all_closed and pow(open_share, 1 / log_margin) <= 0.5 then age_days end) as median_upper_days
    from bounded
    group by cohort_month
),

final as (
    select
        *,
        case
            when median_days is null then 'fewer than half have closed so far'
            when median_upper_days is null then 'too few deals for an upper limit'
        end as missing_reason
    from medians
)

select * from final
order by cohort_month
