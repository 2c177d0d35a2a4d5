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

    select
        'field_history' as input,
        (select count(*) from {{ ref('int_input__field_history') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__field_history') }} as field_history
            inner join int_as_of
                on cast({{ to_timestamp('field_history.changed_at', 'field_history') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (
            select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__field_history') }}
            where input = 'field_history'
        ) as accepted_count,
        (
            select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__field_history') }}
            where input = 'field_history'
        ) as duplicate_count

    union all

    select
        'value_intervals' as input,
        (select count(*) from {{ ref('int_input__value_intervals') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__value_intervals') }} as value_intervals
            inner join int_as_of
                on cast({{ to_timestamp('value_intervals.valid_from', 'value_intervals') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (
            select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__field_history') }}
            where input = 'value_intervals'
        ) as accepted_count,
        (
            select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__field_history') }}
            where input = 'value_intervals'
        ) as duplicate_count

    union all

    select
        'activities' as input,
        (select count(*) from {{ ref('int_input__activities') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__activities') }} as activities
            inner join int_as_of
                on cast({{ to_timestamp('activities.occurred_at', 'activities') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__activities') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__activities') }}) as duplicate_count

    union all

    select
        'interventions' as input,
        (select count(*) from {{ ref('int_input__interventions') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('int_input__interventions') }} as interventions
            inner join int_as_of
                on cast({{ to_timestamp('interventions.taken_at', 'interventions') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__interventions') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__interventions') }}) as duplicate_count

    union all

    select
        'reps' as input,
        (select count(*) from {{ ref('int_input__reps') }}) as row_count,
        0 as filtered_count,
        0 as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__reps') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__reps') }}) as duplicate_count

    union all

    select
        'quotas' as input,
        (select count(*) from {{ ref('int_input__quotas') }}) as row_count,
        0 as filtered_count,
        0 as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_checked__quotas') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_checked__quotas') }}) as duplicate_count

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

    select
        'exchange_rates' as input,
        (select count(*) from {{ ref('stg_files__exchange_rates') }}) as row_count,
        0 as filtered_count,
        (
            select count(*) from {{ ref('stg_files__exchange_rates') }} as rates
            inner join int_as_of
                on cast({{ to_timestamp('rates.valid_from', 'exchange_rates') }} as date) > int_as_of.as_of_date
        ) as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ ref('int_exchange_rates') }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ ref('int_exchange_rates') }}) as duplicate_count
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
