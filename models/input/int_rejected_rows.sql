-- noqa: disable=layout.indent
with

rejected as (
    select
        'deals' as input,
        deal_id,
        reason,
        reason_codes,
        raw_values,
        row_count
    from {{ ref('int_judged_deals') }}
    where reason_codes is not null

    union all

    select
        'stage_history' as input,
        deal_id,
        replace(reason_codes, 'stage_unknown', concat('stage_unknown: ', stage)) as reason,
        reason_codes,
        raw_values,
        1 as row_count
    from {{ ref('int_stage_history') }}
    where reason_codes is not null

    union all

    select
        input,
        deal_id,
        reason_codes as reason,
        reason_codes,
        raw_values,
        row_count
    from {{ ref('int_checked__field_history') }}
    where reason_codes is not null

    union all

    {{ rejected_rows('activities', ref('int_checked__activities'), 'deal_id') }}

    union all

    {{ rejected_rows('interventions', ref('int_checked__interventions'), 'deal_id') }}

    union all

    {{ rejected_rows('reps', ref('int_checked__reps')) }}

    union all

    {{ rejected_rows('quotas', ref('int_checked__quotas')) }}

    union all

    {{ rejected_rows('forecast_calls', ref('int_checked__forecast_calls')) }}

    union all

    {{ rejected_rows('exchange_rates', ref('int_exchange_rates')) }}

    union all

    select
        input,
        null as deal_id,
        concat('line_unreadable: ', error, ' in line ', line_number, ' of ', file_name) as reason,
        'line_unreadable' as reason_codes,
        line as raw_values,
        1 as row_count
    from {{ ref('stg_files__rejected_lines') }}
),

final as (
    select
        input,
        deal_id,
        reason,
        reason_codes,
        raw_values,
        cast(sum(row_count) as bigint) as row_count
    from rejected
    group by input, deal_id, reason, reason_codes, raw_values
)

select * from final
