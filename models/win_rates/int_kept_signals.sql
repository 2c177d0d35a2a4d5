{{ config(
    materialized = 'incremental',
    incremental_strategy = 'delete+insert',
    unique_key = ['input_name', 'as_of_date'],
    on_schema_change = 'append_new_columns',
    full_refresh = false,
) }}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_signals as (
    select * from {{ ref('int_signals') }}
),

-- A build that says nothing has a row too: it ends what was said before.
final as (
    select
        {{ input_name_text() }} as input_name,
        int_as_of.as_of_date,
        int_signals.claim_type,
        int_signals.claim,
        int_signals.direction
    from int_as_of
    left join int_signals
        on int_as_of.as_of_date is not null
)

select * from final
