-- How old the newest row of each input is, in days before the as-of date, and how the last complete month's volume compares.
{% set events = {'field_history': 'changed_at', 'activities': 'occurred_at', 'interventions': 'taken_at'} %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

newest as (
    select
        'deals' as input,
        'days_since_newest_created_deal' as check_name,
        max(created_date) as newest_date
    from int_deals

    union all

    select
        'deals' as input,
        'days_since_newest_closed_deal' as check_name,
        max(closed_date) as newest_date
    from int_deals

    union all

    select
        'stage_history' as input,
        'days_since_newest_row' as check_name,
        cast(max(entered_at) as date) as newest_date
    from {{ ref('int_stage_history') }}
    where reason_codes is null
    {% for input, column in events.items() %}

    union all

    select
        '{{ input }}' as input,
        'days_since_newest_row' as check_name,
        cast(max({{ column }}) as date) as newest_date
    from {{ ref('int_checked__' ~ input) }}
    where reason_codes is null
    {% endfor %}
),

months as (
    select
        int_deals.cohort_month,
        count(*) as deal_count,
        row_number() over (order by int_deals.cohort_month desc) as recency
    from int_deals
    cross join int_as_of
    where {{ dbt.last_day('int_deals.cohort_month', 'month') }} <= int_as_of.as_of_date
    group by int_deals.cohort_month
),

volume as (
    select
        max(case when recency = 1 then deal_count end) as last_count,
        avg(case when recency between 2 and 13 then deal_count end) as mean_count
    from months
),

final as (
    select
        newest.input,
        newest.check_name,
        cast({{ dbt.datediff('newest.newest_date', 'int_as_of.as_of_date', 'day') }} as double) as check_value,
        'days' as unit,
        'days from the newest accepted row to the as-of date' as message
    from newest
    cross join int_as_of
    where newest.newest_date is not null

    union all

    select
        'deals' as input,
        'created_volume_change_rate' as check_name,
        last_count / mean_count - 1 as check_value,
        'rate' as unit,
        'deals created in the last complete month against the mean of the twelve before' as message
    from volume
    where mean_count > 0
)

select * from final
