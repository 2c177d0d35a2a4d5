with

int_monthly_deal_sums as (
    select * from {{ ref('int_monthly_deal_sums') }}
),

int_late_stage_counts as (
    select * from {{ ref('int_late_stage_counts') }}
    where segment_dimension = 'closed_month'
),

int_months as (
    select * from {{ ref('int_months') }}
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

shares as (
    select
        'win_rate' as metric,
        basis,
        period_start_date,
        won_deal_count * 1.0 / closed_deal_count as share,
        closed_deal_count * 1.0 as effective_count,
        closed_deal_count as deal_count
    from int_monthly_deal_sums

    union all

    -- As many equal deals as the amounts are worth.
    select
        'amount_win_rate' as metric,
        basis,
        period_start_date,
        won_amount / nullif(amount, 0) as share,
        amount * amount / nullif(squared_amount, 0) as effective_count,
        valued_deal_count as deal_count
    from int_monthly_deal_sums
    where
        basis = 'closed_date'
        and won_amount between 0 and amount

    union all

    select
        'late_stage_loss_rate' as metric,
        'closed_date' as basis,
        cast(segment_value as date) as period_start_date,
        lost_deal_count * 1.0 / closed_deal_count as share,
        closed_deal_count * 1.0 as effective_count,
        closed_deal_count as deal_count
    from int_late_stage_counts

    union all

    select
        'pushed_rate' as metric,
        'month' as basis,
        period_start_date,
        pushed_deal_count * 1.0 / active_deal_count as share,
        active_deal_count * 1.0 as effective_count,
        active_deal_count as deal_count
    from int_months
    where pushed_deal_count is not null

    union all

    select
        unnest(['stalled_in_stage_rate', 'inactive_rate', 'stale_rate']) as metric,
        'as_of_date' as basis,
        cast({{ dbt.date_trunc('month', 'max(as_of_date)') }} as date) as period_start_date,
        unnest([avg(cast(is_stalled_in_stage as integer)), avg(cast(is_inactive as integer)), avg(cast(is_stale as integer))]) as share,
        unnest([count(is_stalled_in_stage), count(is_inactive), count(is_stale)]) * 1.0 as effective_count,
        unnest([count(is_stalled_in_stage), count(is_inactive), count(is_stale)]) as deal_count
    from {{ ref('fct_open_deals') }}
),

rates as (
    select
        shares.metric,
        shares.basis,
        shares.period_start_date,
        cast(shares.share as double) as metric_value,
        {{ wilson('shares.share', 'shares.effective_count', 'quantile.normal_quantile', '-') }} as value_lower,
        {{ wilson('shares.share', 'shares.effective_count', 'quantile.normal_quantile', '+') }} as value_upper,
        cast(shares.deal_count as bigint) as deal_count
    from shares
    cross join int_confidence_quantile as quantile
    where shares.share is not null
),

-- Both factors rise and fall with the same deals: the interval of the product takes them as moving together.
final as (
    select * from rates

    union all

    select
        'resource_efficiency' as metric,
        counts.basis,
        counts.period_start_date,
        counts.metric_value * amounts.metric_value as metric_value,
        counts.value_lower * amounts.value_lower as value_lower,
        counts.value_upper * amounts.value_upper as value_upper,
        counts.deal_count
    from rates as counts
    inner join rates as amounts
        on
            counts.period_start_date = amounts.period_start_date
            and counts.basis = amounts.basis
    where
        counts.metric = 'win_rate'
        and amounts.metric = 'amount_win_rate'
)

select * from final
