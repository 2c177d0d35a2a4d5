{% set given_date = var('as_of_date', none) %}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

event_dates as (
    select
        created_date as event_date,
        count(*) as row_count
    from int_parsed__deals
    where reason_codes is null
    group by created_date

    union all

    select
        closed_date as event_date,
        count(*) as row_count
    from int_parsed__deals
    where reason_codes is null
    group by closed_date

    union all

    -- Grouped first: tens of millions of rows have few days and stages.
    select
        cast({{ to_timestamp('entered_at', 'stage_history') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__stage_history') }}
    where {{ to_text('deal_id') }} is not null
    group by 1, stage
    having {{ to_text('stage') }} in (select int_stages.stage from int_stages)

    union all

    select
        cast({{ to_timestamp('changed_at', 'field_history') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__field_history') }}
    where {{ to_text('deal_id') }} is not null
    group by 1

    union all

    select
        cast({{ to_timestamp('occurred_at', 'activities') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__activities') }}
    where {{ to_text('deal_id') }} is not null
    group by 1

    union all

    select
        cast({{ to_timestamp('taken_at', 'interventions') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__interventions') }}
    where {{ to_text('deal_id') }} is not null
    group by 1
),

date_counts as (
    select
        event_date,
        sum(row_count) as row_count
    from event_dates
    where event_date is not null
    group by event_date
),

gaps as (
    select
        event_date,
        lag(event_date) over (order by event_date) as older_event_date,
        sum(row_count) over (order by event_date desc) as newer_row_count,
        sum(row_count) over () as all_row_count
    from date_counts
),

-- A typo lies far beyond the next older date, and few rows lie there with it; else the gap is a pause in the data.
first_implausible as (
    select min(event_date) as event_date
    from gaps
    where
        {{ dbt.datediff('older_event_date', 'event_date', 'day') }} > {{ var('max_date_gap_days') }}
        and newer_row_count * 2 < all_row_count
),

newest as (
    select max(date_counts.event_date) as event_date
    from date_counts
    cross join first_implausible
    where
        first_implausible.event_date is null
        or date_counts.event_date < first_implausible.event_date
),

final as (
    select
        coalesce(cast({{ "'" ~ given_date ~ "'" if given_date else "null" }} as date), event_date) as as_of_date,
        {{ "true" if given_date else "false" }} as is_given
    from newest
)

select * from final
