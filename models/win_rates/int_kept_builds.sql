{{ config(materialized = 'incremental', incremental_strategy = 'append', full_refresh = false) }}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

final as (
    select
        {{ input_name_text() }} as input_name,
        as_of_date
    from int_as_of
    {%- if is_incremental() %}
    where as_of_date not in (
        select kept.as_of_date from {{ this }} as kept
        where kept.input_name = {{ input_name_text() }}
    )
    {%- endif %}
)

select * from final
