{% set factors = var('driver_factors') %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

ml_win_rate_drivers as (
    select * from {{ ref('ml_win_rate_drivers') }}
    where half_year_start_date is null and not is_known_only_after_close
),

-- A level without a coefficient of its own stands with the rare ones; where none are rare it is new, and taken as the reference.
fit as (
    select
        {% for factor in factors -%}
        coalesce(max(case when factor = '{{ factor }}' and level = '(rare)' then coefficient end), 0) as other_{{ factor }},
        {% endfor -%}
        max(fit_intercept) as fit_intercept
    from ml_win_rate_drivers
),

cells as (
    select
        closed_month,
        {% for factor in factors -%}
        coalesce(cast({{ factor }} as {{ dbt.type_string() }}), 'Unknown') as {{ factor }},
        {% endfor -%}
        count(*) as closed_deal_count
    from int_deals
    where not is_open
    group by closed_month{% for factor in factors %}, {{ factor }}{% endfor %}
),

scored as (
    select
        cells.closed_month,
        cells.closed_deal_count,
        fit.fit_intercept
        {%- for factor in factors %}
        + coalesce({{ factor }}_levels.coefficient, fit.other_{{ factor }})
        {%- endfor %} as log_odds
    from cells
    cross join fit
    {%- for factor in factors %}
    left join ml_win_rate_drivers as {{ factor }}_levels
        on
            {{ factor }}_levels.factor = '{{ factor }}'
            and cells.{{ factor }} = {{ factor }}_levels.level
    {%- endfor %}
),

-- Decimals, because a sum of doubles follows the order of its rows.
final as (
    select
        closed_month,
        cast(sum(closed_deal_count) as bigint) as closed_deal_count,
        cast(sum(cast(closed_deal_count / (1 + exp(-log_odds)) as decimal(28, 10))) as decimal(38, 10)) as expected_won_count
    from scored
    group by closed_month
)

select * from final
