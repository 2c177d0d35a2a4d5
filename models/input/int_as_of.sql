{% set given_date = var('as_of_date', none) %}
{% set given_gap = var('max_date_gap_days', none) %}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
    where reason_codes is null and not is_filtered
),

-- What happened to deals. What was planned (activities, interventions, expected dates, quotas) doesn't move the date.
event_dates as (
    select
        created_date as event_date,
        count(*) as row_count
    from int_parsed__deals
    group by created_date

    union all

    select
        closed_date as event_date,
        count(*) as row_count
    from int_parsed__deals
    group by closed_date

    union all

    -- Grouped first: tens of millions of rows have few days and stages.
    select
        cast({{ to_timestamp('entered_at', 'stage_history') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__stage_history') }}
    where {{ to_text('deal_id') }} is not null
    group by 1, stage
    having lower({{ to_text('stage') }}) in (select stage_keys.stage_text from {{ ref('int_stage_keys') }} as stage_keys)

    union all

    select
        cast({{ to_timestamp('changed_at', 'field_history') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__field_history') }}
    where {{ to_text('deal_id') }} is not null
    group by 1

    union all

    select
        cast({{ to_timestamp('valid_from', 'value_intervals') }} as date) as event_date,
        count(*) as row_count
    from {{ ref('int_input__value_intervals') }}
    where {{ to_text('deal_id') }} is not null
    group by 1
),

date_counts as (
    select
        event_date,
        sum(row_count) as row_count
    from event_dates
    where event_date >= cast('1990-01-01' as date)
    group by event_date
),

gaps as (
    select
        event_date,
        {{ dbt.datediff('lag(event_date) over (order by event_date)', 'event_date', 'day') }} as gap_days,
        sum(row_count) over (order by event_date desc) as newer_row_count,
        sum(row_count) over () as all_row_count
    from date_counts
),

judged as (
    select
        *,
        {% if given_gap -%}
        {{ given_gap }}
        {%- else -%}
        greatest(
            30,
            20 * quantile_disc(gap_days, 0.99) over (order by event_date rows between unbounded preceding and 1 preceding)
        )
        {%- endif %} as max_gap_days
    from gaps
),

-- A few rows far beyond the days that the data have without a break are typos or plans; many rows there are a pause in the data.
first_implausible as (
    select min(event_date) as event_date
    from judged
    where
        gap_days > max_gap_days
        and newer_row_count <= greatest(5, 0.01 * all_row_count)
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
