-- The past days lie one to three long lives before the as-of date, so that few of the deals that were open then still are. A deal that was open on
-- several stands in the newest.
{{ config(materialized = 'view') }}
{% set life_quantile = 0.95 %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

closed_lives as (
    select
        age_days,
        sum(deal_count) as deal_count
    from {{ ref('int_cohort_day_counts') }}
    where outcome <> 'Open'
    group by age_days
),

cumulated as (
    select
        age_days,
        sum(deal_count) over (order by age_days) as deals_so_far,
        sum(deal_count) over () as closed_deal_count
    from closed_lives
),

-- A life of less than a day would make all days one.
long_lives as (
    select greatest(1, min(age_days)) as life_days
    from cumulated
    where deals_so_far >= {{ life_quantile }} * closed_deal_count
),

past_days as (
    select
        {{ dbt.dateadd('day', '-numbers.lives_ago * long_lives.life_days', 'int_as_of.as_of_date') }} as sighting_date,
        case when numbers.lives_ago > 1 then {{ dbt.dateadd('day', '-(numbers.lives_ago - 1) * long_lives.life_days', 'int_as_of.as_of_date') }} end as next_date
    from int_as_of
    cross join long_lives
    cross join (values (1), (2), (3)) as numbers (lives_ago)
),

sightings as (
    select
        'then' as sighting,
        cast(sighting_date as date) as sighting_date,
        cast(next_date as date) as next_date
    from past_days

    union all

    select
        'now' as sighting,
        as_of_date as sighting_date,
        null as next_date
    from int_as_of

    union all

    select
        'closed' as sighting,
        null as sighting_date,
        null as next_date
    from int_as_of
),

-- `case` keeps the planner from sorting all deals for a join with five rows.
seen as (
    select
        sightings.sighting,
        sightings.sighting_date,
        deals.*
    from int_dated_deals as deals
    inner join sightings
        on case
            when sightings.sighting = 'now' then deals.is_open
            when sightings.sighting = 'closed' then not deals.is_open
            else
                deals.created_date <= sightings.sighting_date
                and coalesce(deals.closed_date > sightings.sighting_date, true)
                and coalesce(deals.closed_date <= sightings.next_date, sightings.next_date is null)
        end
),

final as (
    select
        seen.* replace (coalesce(owners.sales_rep_id, seen.sales_rep_id) as sales_rep_id),
        coalesce(amounts.known_amount, seen.deal_amount) as known_amount
    from seen
    left join {{ ref('int_past_field_values') }} as owners
        on
            owners.field = 'sales_rep_id'
            and seen.deal_id = owners.deal_id
            and seen.sighting_date >= owners.known_from_date
            and seen.sighting_date < owners.changed_date
    left join {{ ref('int_past_amounts') }} as amounts
        on
            seen.deal_id = amounts.deal_id
            and seen.sighting_date >= amounts.known_from_date
            and seen.sighting_date < amounts.changed_date
)

select * from final
