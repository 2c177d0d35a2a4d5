-- Means of won deals, and money per deal-day of cohorts, with intervals by the delta method over deals.
with

int_monthly_deal_sums as (
    select * from {{ ref('int_monthly_deal_sums') }}
    where won_deal_count > 0
),

int_months as (
    select * from {{ ref('int_months') }}
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

means as (
    select
        sums.basis,
        sums.period_start_date,
        sums.closed_deal_count,
        sums.won_deal_count,
        months.open_deal_count,
        quantile.normal_quantile,
        sums.valued_won_deal_count,
        sums.dated_won_deal_count,
        sums.won_amount / nullif(sums.valued_won_deal_count, 0) as mean_won_amount,
        sums.won_days / nullif(sums.dated_won_deal_count, 0) as mean_won_days,
        sqrt(
            greatest(0, sums.squared_won_amount / nullif(sums.valued_won_deal_count, 0) - power(sums.won_amount / nullif(sums.valued_won_deal_count, 0), 2))
            / nullif(sums.valued_won_deal_count - 1, 0)
        ) as amount_error,
        sqrt(
            greatest(0, sums.squared_won_days / nullif(sums.dated_won_deal_count, 0) - power(sums.won_days / nullif(sums.dated_won_deal_count, 0), 2))
            / nullif(sums.dated_won_deal_count - 1, 0)
        ) as days_error,
        sums.won_deal_count * 1.0 / sums.closed_deal_count
        * (sums.won_amount / nullif(sums.valued_won_deal_count, 0))
        / nullif(sums.won_days / nullif(sums.dated_won_deal_count, 0), 0) as revenue_efficiency,
        -- Of the logarithm of win rate x mean won amount / mean won cycle, per deal: each mean is one over the deals that have its value.
        sqrt(greatest(
            0,
            1.0 / sums.won_deal_count - 1.0 / sums.closed_deal_count
            + sums.squared_won_amount / nullif(power(sums.won_amount, 2), 0) - 1.0 / nullif(sums.valued_won_deal_count, 0)
            + sums.squared_won_days / nullif(power(sums.won_days, 2), 0) - 1.0 / nullif(sums.dated_won_deal_count, 0)
            - 2 * (
                sums.won_amount_days / nullif(sums.won_amount * sums.won_days, 0)
                - sums.dated_won_amount / nullif(sums.won_amount * sums.dated_won_deal_count, 0)
                - sums.valued_won_days / nullif(sums.won_days * sums.valued_won_deal_count, 0)
                + sums.valued_dated_won_deal_count * 1.0 / nullif(sums.valued_won_deal_count * sums.dated_won_deal_count, 0)
            )
        )) as relative_error
    from int_monthly_deal_sums as sums
    cross join int_confidence_quantile as quantile
    left join int_months as months
        on sums.period_start_date = months.period_start_date
),

final as (
    select
        'mean_won_amount' as metric,
        basis,
        period_start_date,
        mean_won_amount as metric_value,
        least(mean_won_amount, greatest(0, mean_won_amount - normal_quantile * amount_error)) as value_lower,
        mean_won_amount + normal_quantile * amount_error as value_upper,
        valued_won_deal_count as deal_count
    from means
    where basis = 'created_cohort'

    union all

    select
        'mean_won_cycle_days' as metric,
        basis,
        period_start_date,
        mean_won_days as metric_value,
        greatest(0, mean_won_days - normal_quantile * days_error) as value_lower,
        mean_won_days + normal_quantile * days_error as value_upper,
        dated_won_deal_count as deal_count
    from means

    union all

    select
        'revenue_efficiency' as metric,
        basis,
        period_start_date,
        revenue_efficiency as metric_value,
        revenue_efficiency * exp(-normal_quantile * relative_error) as value_lower,
        revenue_efficiency * exp(normal_quantile * relative_error) as value_upper,
        closed_deal_count as deal_count
    from means
    where basis = 'created_cohort'

    union all

    select
        'velocity' as metric,
        basis,
        period_start_date,
        open_deal_count * revenue_efficiency as metric_value,
        open_deal_count * revenue_efficiency * exp(-normal_quantile * relative_error) as value_lower,
        open_deal_count * revenue_efficiency * exp(normal_quantile * relative_error) as value_upper,
        closed_deal_count as deal_count
    from means
    where basis = 'created_cohort'
)

select * from final
