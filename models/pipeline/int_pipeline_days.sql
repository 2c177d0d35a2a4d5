-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}
{% set changes = {'amounts': 'int_amount_changes', 'owners': 'int_owner_changes', 'expected': 'int_expected_close_changes'} %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_deal_gaps as (
    select * from {{ ref('int_deal_gaps') }}
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
    where capability = 'field_history' and is_available
),

-- Days on which something may have changed: a closing is said by closed_as.
dated as (
    select
        deal_id,
        created_date as event_date,
        null as closed_as
    from {{ ref('int_deals') }}

    union all

    select
        deal_id,
        closed_date as event_date,
        case when is_won then 'won' else 'lost' end as closed_as
    from {{ ref('int_deals') }}
    where closed_date is not null

    union all

    select
        deal_id,
        from_date as event_date,
        closed_as
    from {{ ref('int_deal_gaps') }}

    union all

    select
        deal_id,
        until_date as event_date,
        null as closed_as
    from {{ ref('int_deal_gaps') }}
    {% for relation in changes.values() %}
    {% for column in ['known_from_date', 'changed_date'] %}

    union all

    select
        deal_id,
        {{ column }} as event_date,
        null as closed_as
    from {{ ref(relation) }}
    {% endfor %}
    {% endfor %}
),

days as (
    select
        deal_id,
        event_date,
        max(closed_as) as closed_as
    from dated
    where exists (select 1 from int_data_levels)
    group by deal_id, event_date
),

final as (
    select
        days.deal_id,
        days.event_date,
        days.closed_as,
        int_deal_gaps.deal_id is null and (int_deals.closed_date is null or days.event_date < int_deals.closed_date) as is_open,
        coalesce(amounts.deal_amount, int_deals.deal_amount) as deal_amount,
        coalesce(owners.sales_rep_id, int_deals.sales_rep_id) as sales_rep_id,
        coalesce(expected.expected_close_date, int_deals.expected_close_date) as expected_close_date
    from days
    inner join int_deals
        on
            days.deal_id = int_deals.deal_id
            and days.event_date >= int_deals.created_date
            and (int_deals.closed_date is null or days.event_date <= int_deals.closed_date)
    left join int_deal_gaps
        on
            days.deal_id = int_deal_gaps.deal_id
            and days.event_date >= int_deal_gaps.from_date
            and days.event_date < int_deal_gaps.until_date
    {% for alias, relation in changes.items() -%}
    left join {{ ref(relation) }} as {{ alias }}
        on
            days.deal_id = {{ alias }}.deal_id
            and days.event_date >= {{ alias }}.known_from_date
            and days.event_date < {{ alias }}.changed_date
    {% endfor -%}
)

select * from final
