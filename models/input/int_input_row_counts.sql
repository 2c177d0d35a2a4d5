{% set events = {'stage_history': 'entered_at', 'field_history': 'changed_at', 'activities': 'occurred_at', 'interventions': 'taken_at'} %}

-- Rows in and what became of them, per input. Accepted and quarantined rows are counted where they went, not by subtraction,
-- so that the identity rows in = accepted + quarantined + duplicates + not yet known can fail.
with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

scanned as (
    select
        'deals' as input,
        count(*) as row_count,
        sum(case when is_not_yet_known then 1 else 0 end) as not_yet_known_count
    from {{ ref('int_known__deals') }}
    {% for input, column in events.items() %}

    union all

    select
        '{{ input }}' as input,
        count(*) as row_count,
        sum(case
            when int_as_of.is_given and cast({{ to_timestamp(input ~ '.' ~ column) }} as date) > int_as_of.as_of_date then 1
            else 0
        end) as not_yet_known_count
    from {{ ref('int_input__' ~ input) }} as {{ input }}
    cross join int_as_of
    {% endfor -%}
    {% for input in ['reps', 'quotas'] %}

    union all

    select
        '{{ input }}' as input,
        count(*) as row_count,
        0 as not_yet_known_count
    from {{ ref('int_input__' ~ input) }}
    {% endfor %}
),

accepted as (
    select
        'deals' as input,
        count(int_deals.deal_id) as accepted_count,
        sum(int_repeated__deals.row_count - 1) as duplicate_count
    from {{ ref('int_deals') }} as int_deals
    left join {{ ref('int_repeated__deals') }} as int_repeated__deals
        on int_deals.deal_id = int_repeated__deals.deal_id

    union all

    select
        'stage_history' as input,
        sum(case when is_duplicate then 0 else 1 end) as accepted_count,
        sum(case when is_duplicate then 1 else 0 end) as duplicate_count
    from {{ ref('int_stage_history') }}
    where reason_codes is null
    {% for input in ['field_history', 'activities', 'interventions', 'reps', 'quotas'] %}

    union all

    select
        '{{ input }}' as input,
        count(*) as accepted_count,
        sum(row_count - 1) as duplicate_count
    from {{ ref('int_checked__' ~ input) }}
    where reason_codes is null
    {% endfor %}
),

quarantined as (
    select
        input,
        sum(row_count) as quarantined_count,
        sum(case when reason_codes = 'line_unreadable' then row_count else 0 end) as unreadable_line_count
    from {{ ref('int_rejected_rows') }}
    group by input
),

final as (
    select
        scanned.input,
        cast(scanned.row_count + coalesce(quarantined.unreadable_line_count, 0) as bigint) as row_count,
        cast(coalesce(accepted.accepted_count, 0) as bigint) as accepted_count,
        cast(coalesce(quarantined.quarantined_count, 0) as bigint) as quarantined_count,
        cast(coalesce(accepted.duplicate_count, 0) as bigint) as duplicate_count,
        cast(coalesce(scanned.not_yet_known_count, 0) as bigint) as not_yet_known_count
    from scanned
    left join accepted
        on scanned.input = accepted.input
    left join quarantined
        on scanned.input = quarantined.input
)

select * from final
