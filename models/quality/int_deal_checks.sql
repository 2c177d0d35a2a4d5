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
    'closed_deals_without_close_date': (
        'not deals.is_open and deals.closed_date is null',
        'closed deals whose close date is not known: they count in win rates of all time and of cohorts, not in periods and cycles',
    ),
    'close_dates_unreadable': (
        'deals.is_closed_date_unreadable', 'close dates that could not be read: they count as missing; say how dates are written with date_format',
    ),
    'open_deals_with_close_date': (
        'deals.has_close_date_while_open', 'close dates of open deals: they count as the days on which the close is expected',
    ),
    'deals_with_other_cycle': (
        'deals.cycle_days <> deals.stated_cycle_days', 'deals whose sales_cycle_days is not closed_date - created_date: the dates count',
    ),
    'amounts_missing': ("deals.amount_problem = 'missing'", 'deals without an amount: they count in all figures but those of money'),
    'amounts_unreadable': (
        "deals.amount_problem = 'unreadable'", 'amounts that could not be read: they count as missing; say how numbers are written with decimal_mark',
    ),
    'amounts_zero': ("deals.amount_problem = 'zero'", 'amounts of 0: they count as missing'),
    'amounts_negative': (
        "deals.amount_problem = 'negative'",
        'amounts below 0: they count as missing, but for the deal types that negative_amount_deal_types names',
    ),
    'amounts_too_large': ("deals.amount_problem = 'too_large'", 'amounts of max_deal_amount or more: they count as missing'),
    'amount_outliers': (
        'deals.deal_amount > bounds.outlier_amount', 'amounts above the third quartile + 1.5 interquartile ranges: kept, and flagged in fct_deals',
    ),
    'amounts_undated': (
        'deals.is_amount_undated', "amounts of an unknown day: the file's own, which may be later than the as-of date",
    ),
    'amounts_other_than_history': (
        'deals.amount_newer_in is not null', 'amounts of the deals file that are not the last ones of the field history: the newer of the two counts',
    ),
    'close_dates_other_than_history': (
        'deals.close_date_newer_in is not null',
        'expected close dates of the deals file that are not the last ones of the field history: the newer of the two counts',
    ),
    'owners_other_than_history': (
        'deals.owner_newer_in is not null',
        'owners of the deals file who are not the last ones of the field history: the newer of the two counts, and of a closed deal the owner at its close',
    ),
    'deals_edited_after_close': (
        'cast(deals.updated_at as date) > deals.closed_date', 'deals edited after their close: final values may not be those of the day',
    ),
    'open_deals_overdue': ('deals.is_open and deals.expected_close_date < deals.as_of_date', 'open deals past their expected close date'),
    'open_deals_older_than_closed_ones': (
        'deals.is_open and deals.created_date <= closing.mature_until_date',
        'open deals at least as old as 99 of 100 closed deals were at their close: close those that are dead; drivers, cycle gaps and win rates leave them out',
    ),
    'unknown_industry': ("deals.industry = 'Unknown'", 'deals without industry: they count under Unknown'),
    'unknown_region': ("deals.region = 'Unknown'", 'deals without region: they count under Unknown'),
    'unknown_product_type': ("deals.product_type = 'Unknown'", 'deals without product_type: they count under Unknown'),
    'unknown_lead_source': ("deals.lead_source = 'Unknown'", 'deals without lead_source: they count under Unknown'),
    'unknown_sales_rep_id': ("deals.sales_rep_id = 'Unknown'", 'deals without sales_rep_id: they count under Unknown'),
} %}

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
        {% for check, (condition, message) in checks.items() -%}
        count(case when {{ condition }} then 1 end) as {{ check }},
        {% endfor -%}
        count(*) as deal_count
    from deals
    cross join bounds
    cross join {{ ref('int_closing_bounds') }} as closing
    left join stages
        on deals.deal_stage = stages.stage
),

messages (check_name, message) as (
    values
    {%- for check, (condition, message) in checks.items() %}
    ('{{ check }}', '{{ message | replace("'", "''") }}'){{ "," if not loop.last }}
    {%- endfor %}
),

found as (
    select
        check_name,
        row_count,
        deal_count
    from counts
    unpivot (row_count for check_name in ({{ checks | join(", ") }}))
),

final as (
    select
        found.check_name,
        found.row_count,
        found.deal_count as all_row_count,
        messages.message
    from found
    inner join messages
        on found.check_name = messages.check_name
)

select * from final
