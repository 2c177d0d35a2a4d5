-- noqa: disable=layout.indent
-- What is odd in accepted deals: counted, flagged and never dropped.
{% set checks = {
    'closed_deals_not_in_a_closed_stage': (
        'not deals.is_open and not coalesce(stages.is_closed, false)',
        'closed deals whose stage in the deals file is an open one: the stage there is not where the deal ended',
    ),
    'won_deals_not_in_a_won_stage': (
        "deals.is_won and (not coalesce(stages.is_closed, false) or not coalesce(stages.is_won, true))",
        'won deals whose stage in the deals file is no won stage',
    ),
    'open_deals_in_a_closed_stage': (
        'deals.is_open and coalesce(stages.is_closed, false)', 'open deals whose stage in the deals file is a closed one',
    ),
    'deals_without_stage': ('deals.deal_stage is null', 'deals without a stage in the deals file'),
    'deals_with_other_cycle': (
        'deals.cycle_days <> deals.stated_cycle_days', 'deals whose sales_cycle_days is not closed_date - created_date: the dates count',
    ),
    'amount_outliers': (
        'deals.deal_amount > bounds.outlier_amount', 'amounts above the third quartile + 1.5 interquartile ranges: kept, and flagged in fct_deals',
    ),
    'amounts_undated': (
        'deals.is_amount_undated', "amounts of an unknown day: the file's own, which may be later than the as-of date",
    ),
    'deals_edited_after_close': (
        'cast(deals.updated_at as date) > deals.closed_date', 'deals edited after their close: final values may not be those of the day',
    ),
    'open_deals_overdue': ('deals.is_open and deals.expected_close_date < deals.as_of_date', 'open deals past their expected close date'),
} %}
{% set dimensions = ['industry', 'region', 'product_type', 'lead_source', 'sales_rep_id'] %}

with

deals as (
    select * from {{ ref('int_deals') }}
),

stages as (
    select * from {{ ref('int_stages') }}
),

bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

counts as (
    select
        count(*) as deal_count,
        {% for check, (condition, message) in checks.items() -%}
            sum(case when {{ condition }} then 1 else 0 end) as {{ check }},
        {% endfor -%}
        {% for dimension in dimensions -%}
            sum(case when deals.{{ dimension }} = 'Unknown' then 1 else 0 end) as unknown_{{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from deals
    cross join bounds
    left join stages
        on deals.deal_stage = stages.stage
),

final as (
    {% for check, (condition, message) in checks.items() -%}
    select
        '{{ check }}' as check_name,
        coalesce({{ check }}, 0) as row_count,
        deal_count as all_row_count,
        '{{ message | replace("'", "''") }}' as message
    from counts

    union all

    {% endfor -%}
    {% for dimension in dimensions -%}
    select
        'unknown_{{ dimension }}' as check_name,
        coalesce(unknown_{{ dimension }}, 0) as row_count,
        deal_count as all_row_count,
        'deals without {{ dimension }}: they count under Unknown' as message
    from counts
    {% if not loop.last %}
    union all

    {% endif -%}
    {% endfor %}
)

select * from final
