-- Do deals take longer to close than they used to? Kaplan-Meier median of the days to close, by the month deals were created in, with open
-- deals counted as lasting longer than their age; interval by Brookmeyer and Crowley (log-log).
-- By the month of the close it can't be seen: the first months of a file hold short cycles only, its last ones long ones. And the mean of
-- closed deals makes every young cohort look fast. Read the intervals: neighbours that overlap haven't changed.
{% set normal_quantile = 1.959963984540054 %}

with

fct_deals as (
    select * from {{ ref('fct_deals') }}
),

ages as (
    select
        cohort_month,
        age_days,
        count(*) as deal_count,
        sum(case when is_open then 0 else 1 end) as closed_count
    from fct_deals
    group by cohort_month, age_days
),

at_risk as (
    select
        *,
        sum(deal_count) over (partition by cohort_month order by age_days desc) as at_risk_count
    from ages
),

-- Survival and Greenwood's sum, while at least one deal is left open.
survival as (
    select
        cohort_month,
        age_days,
        closed_count = at_risk_count as have_all_closed,
        exp(sum(case when closed_count < at_risk_count then ln(1 - closed_count * 1.0 / at_risk_count) else 0 end) over ages_so_far)
            as open_share,
        sum(case
            when closed_count < at_risk_count then closed_count * 1.0 / at_risk_count / (at_risk_count - closed_count)
            else 0
        end) over ages_so_far as greenwood_sum
    from at_risk
    window ages_so_far as (partition by cohort_month order by age_days)
),

bounded as (
    select
        cohort_month,
        age_days,
        case when have_all_closed then 0 else open_share end as open_share,
        case
            when have_all_closed then 0
            when open_share < 1 then pow(open_share, exp({{ normal_quantile }} * sqrt(greenwood_sum) / -ln(open_share)))
        end as open_share_lower,
        case
            when open_share < 1 and not have_all_closed
                then pow(open_share, exp(-{{ normal_quantile }} * sqrt(greenwood_sum) / -ln(open_share)))
        end as open_share_upper
    from survival
),

medians as (
    select
        cohort_month,
        min(case when open_share <= 0.5 + 1e-12 then age_days end) as median_days,
        min(case when open_share_lower <= 0.5 then age_days end) as median_lower_days,
        min(case when open_share_upper <= 0.5 then age_days end) as median_upper_days
    from bounded
    group by cohort_month
),

cohorts as (
    select
        cohort_month,
        count(*) as deal_count,
        sum(case when is_open then 1 else 0 end) as open_deal_count
    from fct_deals
    group by cohort_month
),

final as (
    select
        cohorts.cohort_month,
        cohorts.deal_count,
        cohorts.open_deal_count,
        medians.median_days,
        medians.median_lower_days,
        medians.median_upper_days,
        case
            when medians.median_days is null then 'fewer than half have closed so far'
            when medians.median_upper_days is null then 'too few deals for an upper limit'
        end as missing_reason
    from cohorts
    inner join medians
        on cohorts.cohort_month = medians.cohort_month
)

select * from final
order by cohort_month
