-- noqa: disable=layout.indent
{% set factors = driver_factors() + ['cycle_band'] %}

with

int_driver_deals as (
    select * from {{ ref('int_driver_deals') }}
),

-- A deal without an account stands alone: those of a level with one outcome are a row, of as many accounts.
counted as (
    select
        {{ segment_dimension(factors) }} as factor,
        {{ segment_value(factors) }} as level,
        case when account_key is null then is_won end as lone_outcome,
        account_key,
        count(*) as deal_count,
        sum(case when is_won then 1 else 0 end) as won_count
    from int_driver_deals
    group by grouping sets (  -- noqa: PRS
        {% for factor in factors -%}
        ({{ factor }}, lone_outcome, account_key){{ "," if not loop.last }}
        {% endfor -%}
    )
),

accounts as (
    select
        factor,
        level,
        account_key,
        case when account_key is null then deal_count else 1 end as account_count,
        case when account_key is null then 1 else deal_count end as deal_count,
        case when account_key is null then won_count / deal_count else won_count end as won_count
    from counted
),

expected as (
    select
        *,
        sum(account_count * won_count) over (partition by factor, level)
        / sum(account_count * deal_count) over (partition by factor, level) as win_rate
    from accounts
),

-- Decimals, because a sum of doubles follows the order of its rows.
residuals as (
    select
        *,
        case when account_key is null then 1 else sum(deal_count) over (partition by factor, account_key) end as account_deal_count,
        case
            when account_key is null then cast(won_count - win_rate as decimal(28, 12))
            else sum(cast(won_count - deal_count * win_rate as decimal(28, 12))) over (partition by factor, account_key)
        end as residual
    from expected
),

final as (
    select
        factor,
        level,
        cast(sum(account_count) as bigint) as account_count,
        cast(sum(cast(account_count * deal_count / account_deal_count as decimal(28, 10))) as double) as account_share,
        cast(sum(account_count * deal_count) as bigint) as closed_deal_count,
        cast(sum(account_count * won_count) as bigint) as won_deal_count,
        cast(sum(account_count * deal_count * deal_count) as bigint) as squared_deal_count,
        cast(sum(account_count * deal_count * account_deal_count) as bigint) as crossed_deal_count,
        cast(sum(cast(
            account_count * deal_count * pow(cast(residual as double) / account_deal_count, 2) as decimal(28, 10)
        )) as double) as residual
    from residuals
    group by factor, level
)

select * from final
