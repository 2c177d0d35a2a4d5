-- noqa: disable=layout.indent
-- Rows in and what became of them. Accepted and quarantined rows are counted where they went, not by subtraction, so that the identity
-- rows in = accepted + quarantined + duplicates + filtered + not yet known can fail.
with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

counted as (
    select
        'deals' as input,
        (select count(*) from {{ ref('int_parsed__deals') }}) as row_count,
        (select count(case when is_filtered then 1 end) from {{ ref('int_parsed__deals') }}) as filtered_count,
        (select count(case when is_not_yet_known then 1 end) from {{ ref('int_known__deals') }}) as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_judged_deals') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_judged_deals') }}) as duplicate_count

    union all

    select
        'stage_history' as input,
        (select count(*) from {{ ref('int_input__stage_history') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__stage_history') }} as stage_history
            inner join int_as_of
                on cast({{ to_timestamp('stage_history.entered_at', 'stage_history') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (select count(case when reason_codes is null and not is_duplicate then 1 end) from {{ ref('int_stage_history') }}) as accepted_count,
        (select count(case when reason_codes is null and is_duplicate then 1 end) from {{ ref('int_stage_history') }}) as duplicate_count

    union all

    {{ counted_rows('field_history', ref('int_input__field_history'), ref('int_checked__field_history'), 'int_as_of', 'changed_at', "input = 'field_history'") }}

    union all

    {{ counted_rows('value_intervals', ref('int_input__value_intervals'), ref('int_checked__field_history'), 'int_as_of', 'valid_from', "input = 'value_intervals'") }}

    union all

    {{ counted_rows('activities', ref('int_input__activities'), ref('int_checked__activities'), 'int_as_of', 'occurred_at') }}

    union all

    {{ counted_rows('interventions', ref('int_input__interventions'), ref('int_checked__interventions'), 'int_as_of', 'taken_at') }}

    union all

    {{ counted_rows('reps', ref('int_input__reps'), ref('int_checked__reps'), 'int_as_of') }}

    union all

    {{ counted_rows('quotas', ref('int_input__quotas'), ref('int_checked__quotas'), 'int_as_of') }}

    union all

    select
        'forecast_calls' as input,
        (select count(*) from {{ ref('int_input__forecast_calls') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__forecast_calls') }} as calls
            inner join int_as_of
                on cast({{ to_timestamp('calls.called_at', 'forecast_calls') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (select count(case when reason_codes is null and not is_duplicate then 1 end) from {{ ref('int_checked__forecast_calls') }}) as accepted_count,
        (
            select sum(case when reason_codes is null then row_count - case when is_duplicate then 0 else 1 end end)
            from {{ ref('int_checked__forecast_calls') }}
        ) as duplicate_count

    union all

    {{ counted_rows('exchange_rates', ref('stg_files__exchange_rates'), ref('int_exchange_rates'), 'int_as_of', 'valid_from') }}
),

quarantined as (
    select
        input,
        sum(row_count) as quarantined_count,
        sum(case when reason_codes = 'line_unreadable' then row_count else 0 end) as unreadable_line_count
    from {{ ref('int_rejected_rows') }}
    group by input
),

-- Rows of files were counted when they were read, by lines, apart from what the models see of them.
read as (
    select
        input,
        sum(row_count + rejected_count) as row_count
    from {{ ref('stg_files__files') }}
    group by input
),

final as (
    select
        counted.input,
        cast(coalesce(read.row_count, counted.row_count + coalesce(quarantined.unreadable_line_count, 0)) as bigint) as row_count,
        cast(counted.accepted_count as bigint) as accepted_count,
        cast(coalesce(quarantined.quarantined_count, 0) as bigint) as quarantined_count,
        cast(coalesce(counted.duplicate_count, 0) as bigint) as duplicate_count,
        cast(counted.filtered_count as bigint) as filtered_count,
        cast(counted.not_yet_known_count as bigint) as not_yet_known_count
    from counted
    left join quarantined
        on counted.input = quarantined.input
    left join read
        on counted.input = read.input
)

select * from final
