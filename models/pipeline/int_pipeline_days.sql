{{ config(materialized = 'view') }}

with

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

int_deal_gaps as (
    select * from {{ ref('int_deal_gaps') }}
),

int_capabilities as (
    select * from {{ ref('int_capabilities') }}
    where has_field_history
),

-- Days on which something may have changed: a closing is said by closed_as.
dated as (
    select
        deal_id,
        created_date as event_date,
        null as closed_as
    from {{ ref('int_dated_deals') }}

    union all

    select
        deal_id,
        closed_date as event_date,
        case when is_won then 'won' else 'lost' end as closed_as
    from {{ ref('int_dated_deals') }}
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

    union all

    select
        deal_id,
        unnest([known_from_date, changed_date]) as event_date,
        null as closed_as
    from {{ ref('int_past_amounts') }}

    union all

    select
        deal_id,
        unnest([known_from_date, changed_date]) as event_date,
        null as closed_as
    from {{ ref('int_past_field_values') }}
),

days as (
    select
        deal_id,
        event_date,
        max(closed_as) as closed_as
    from dated
    where exists (select 1 from int_capabilities)
    group by deal_id, event_date
),

final as (
    select
        days.deal_id,
        days.event_date,
        days.closed_as,
        int_deal_gaps.deal_id is null and (int_dated_deals.closed_date is null or days.event_date < int_dated_deals.closed_date) as is_open,
        greatest(coalesce(amounts.deal_amount, int_dated_deals.deal_amount, 0), 0) as deal_amount,
        coalesce(owners.sales_rep_id, int_dated_deals.sales_rep_id) as sales_rep_id,
        coalesce(expected.expected_close_date, int_dated_deals.expected_close_date) as expected_close_date
    from days
    inner join int_dated_deals
        on
            days.deal_id = int_dated_deals.deal_id
            and days.event_date >= int_dated_deals.created_date
            and (int_dated_deals.closed_date is null or days.event_date <= int_dated_deals.closed_date)
    left join int_deal_gaps
        on
            days.deal_id = int_deal_gaps.deal_id
            and days.event_date >= int_deal_gaps.from_date
            and days.event_date < int_deal_gaps.until_date
    left join {{ ref('int_past_amounts') }} as amounts
        on
            days.deal_id = amounts.deal_id
            and days.event_date >= amounts.known_from_date
            and days.event_date < amounts.changed_date
    left join {{ ref('int_past_field_values') }} as owners
        on
            owners.field = 'sales_rep_id'
            and days.deal_id = owners.deal_id
            and days.event_date >= owners.known_from_date
            and days.event_date < owners.changed_date
    left join {{ ref('int_past_field_values') }} as expected
        on
            expected.field = 'expected_close_date'
            and days.deal_id = expected.deal_id
            and days.event_date >= expected.known_from_date
            and days.event_date < expected.changed_date
)

select * from final
