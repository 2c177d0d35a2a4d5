-- Do larger deals win less, do slow ones, and are large deals slow? Pearson's r, and Spearman's, which a few huge amounts can't carry; the
-- interval is Fisher's for Pearson's r. explained_rate = r squared: r = 0.1 can be beyond chance and explain 1 %.
-- The cycle is known only after the close, so r with it describes and can't foresee; and only mature cohorts count for it, because of
-- a young one the quick deals alone have closed.
{% set normal_quantile = 1.959963984540054 %}
{% set both_vary = "min(first_value) < max(first_value) and min(second_value) < max(second_value)" %}

with

fct_deals as (
    select
        deal_id,
        is_mature_cohort,
        cast(deal_amount as double) as deal_amount,
        cast(cycle_days as double) as cycle_days,
        case when is_won then 1.0 else 0.0 end as won
    from {{ ref('fct_deals') }}
    where not is_open
),

pairs as (
    select
        'deal_amount' as first_column,
        'is_won' as second_column,
        deal_amount as first_value,
        won as second_value
    from fct_deals

    union all

    select
        'cycle_days' as first_column,
        'is_won' as second_column,
        cycle_days as first_value,
        won as second_value
    from fct_deals
    where is_mature_cohort

    union all

    select
        'deal_amount' as first_column,
        'cycle_days' as second_column,
        deal_amount as first_value,
        cycle_days as second_value
    from fct_deals
    where is_mature_cohort
),

-- Equal values share the middle of their ranks.
ranked as (
    select
        *,
        rank() over (partition by first_column, second_column order by first_value)
        + (count(*) over (partition by first_column, second_column, first_value) - 1) / 2.0 as first_rank,
        rank() over (partition by first_column, second_column order by second_value)
        + (count(*) over (partition by first_column, second_column, second_value) - 1) / 2.0 as second_rank
    from pairs
),

correlations as (
    select
        first_column,
        second_column,
        count(*) as deal_count,
        case when {{ both_vary }} then corr(first_value, second_value) end as pearson_correlation,
        case when {{ both_vary }} then corr(first_rank, second_rank) end as spearman_correlation
    from ranked
    group by first_column, second_column
),

fisher as (
    select
        *,
        case when abs(pearson_correlation) < 1 then 0.5 * ln((1 + pearson_correlation) / (1 - pearson_correlation)) end as fisher_z,
        case when deal_count > 3 then {{ normal_quantile }} / sqrt(deal_count - 3) end as fisher_margin
    from correlations
),

final as (
    select
        first_column,
        second_column,
        deal_count,
        pearson_correlation,
        (exp(2 * (fisher_z - fisher_margin)) - 1) / (exp(2 * (fisher_z - fisher_margin)) + 1) as pearson_lower,
        (exp(2 * (fisher_z + fisher_margin)) - 1) / (exp(2 * (fisher_z + fisher_margin)) + 1) as pearson_upper,
        spearman_correlation,
        pearson_correlation * pearson_correlation as explained_rate
    from fisher
)

select * from final
order by first_column, second_column
