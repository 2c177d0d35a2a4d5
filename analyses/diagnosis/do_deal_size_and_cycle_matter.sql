-- Do larger deals win less, do slow ones, and are large deals slow? Pearson's r, and Spearman's, which a few huge amounts can't carry; the
-- interval is Fisher's for Pearson's r. explained_rate = r squared: r = 0.1 can be beyond chance and explain 1 %.
-- The cycle is known only after the close, so r with it describes and can't foresee; and only mature cohorts count for it, because of
-- a young one the quick deals alone have closed.
{% set normal_quantile = 1.959963984540054 %}
{% set pairs = [('deal_amount', 'is_won'), ('cycle_days', 'is_won'), ('deal_amount', 'cycle_days')] %}
{% set both_vary = "min(first_value) < max(first_value) and min(second_value) < max(second_value)" %}

with

pairs as (
    {% for first_column, second_column in pairs -%}
    select
        '{{ first_column }}' as first_column,
        '{{ second_column }}' as second_column,
        cast({{ first_column }} as double) as first_value,
        cast({{ second_column }} as double) as second_value
    from {{ ref('fct_deals') }}
    where
        not is_open
        and {{ first_column }} is not null
        and {{ second_column }} is not null
        {{ 'and is_mature_cohort' if 'cycle_days' in (first_column, second_column) }}
    {{ 'union all' if not loop.last }}
    {% endfor -%}
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
        case when {{ both_vary }} then corr(first_rank, second_rank) end as spearman_correlation,
        case when count(*) > 3 then {{ normal_quantile }} / sqrt(nullif(count(*), 3) - 3) end as fisher_margin
    from ranked
    group by first_column, second_column
),

fisher as (
    select
        *,
        case when abs(pearson_correlation) < 1 then 0.5 * ln((1 + pearson_correlation) / (1 - pearson_correlation)) end as fisher_z
    from correlations
),

final as (
    select
        first_column,
        second_column,
        deal_count,
        pearson_correlation,
        tanh(fisher_z - fisher_margin) as pearson_lower,
        tanh(fisher_z + fisher_margin) as pearson_upper,
        spearman_correlation,
        pearson_correlation * pearson_correlation as explained_rate
    from fisher
)

select * from final
order by first_column, second_column
