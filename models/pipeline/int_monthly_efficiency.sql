-- Means of won deals, and money per deal-day of cohorts, with intervals by the delta method over deals.
with

int_monthly_deal_sums as (
    select * from {{ ref('int_monthly_deal_sums') }}
    where won_deal_count > 0
),

int_monthly_open_deals as (
    select * from {{ ref('int_monthly_open_deals') }}
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
        open_deals.open_deal_count,
        quantile.normal_quantile,
        sums.won_amount / sums.won_deal_count as mean_won_amount,
        sums.won_days / sums.won_deal_count as mean_won_days,
        sqrt(greatest(0, sums.squared_won_amount / sums.won_deal_count - power(sums.won_amount / sums.won_deal_count, 2)) / nullif(sums.won_deal_count - 1, 0))
            as amount_error,
        sqrt(greatest(0, sums.squared_won_days / sums.won_deal_count - power(sums.won_days / sums.won_deal_count, 2)) / nullif(sums.won_deal_count - 1, 0))
            as days_error,
        sums.won_amount / sums.closed_deal_count / nullif(sums.won_days / sums.won_deal_count, 0) as revenue_efficiency,
        -- Of the logarithm of win rate x mean won amount / mean won cycle, per deal: x / X + y / Y - z / Z has the mean 1.
        sqrt(greatest(
            0,
            sums.squared_won_amount / power(sums.won_amount, 2) + 1.0 / sums.won_deal_count
            + sums.squared_won_days / nullif(power(sums.won_days, 2), 0)
            - 2 * sums.won_amount_days / nullif(sums.won_amount * sums.won_days, 0) - 1.0 / sums.closed_deal_count
        )) as relative_error
    from int_monthly_deal_sums as sums
    cross join int_confidence_quantile as quantile
    left join int_monthly_open_deals as open_deals
        on sums.period_start_date = open_deals.period_start_date
),

final as (
    {%- for metric, value, error, count in [('mean_won_amount', 'mean_won_amount', 'amount_error', 'won'), ('mean_won_cycle_days', 'mean_won_days', 'days_error', 'won')] %}
    select
        '{{ metric }}' as metric,
        basis,
        period_start_date,
        {{ value }} as metric_value,
        greatest(0, {{ value }} - normal_quantile * {{ error }}) as value_lower,
        {{ value }} + normal_quantile * {{ error }} as value_upper,
        won_deal_count as deal_count
    from means
    {%- if metric == 'mean_won_amount' %}
    where basis = 'created_cohort'
    {%- endif %}

    union all
    {% endfor %}
    {%- for metric, factor in [('revenue_efficiency', '1'), ('velocity', 'open_deal_count')] %}
    select
        '{{ metric }}' as metric,
        basis,
        period_start_date,
        {{ factor }} * revenue_efficiency as metric_value,
        {{ factor }} * revenue_efficiency * exp(-normal_quantile * relative_error) as value_lower,
        {{ factor }} * revenue_efficiency * exp(normal_quantile * relative_error) as value_upper,
        closed_deal_count as deal_count
    from means
    where basis = 'created_cohort'
    {{- "\n\n    union all\n" if not loop.last }}
    {%- endfor %}
)

select * from final
