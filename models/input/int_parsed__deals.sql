-- noqa: disable=layout.indent
{{ config(materialized = "view") }}

with

int_input__deals as (
    select * from {{ ref('int_input__deals') }}
),

typed as (
    select
        {{ to_text('deal_id') }} as deal_id,
        {{ to_timestamp('created_date') }} as created_at,
        {{ to_timestamp('closed_date') }} as closed_at,
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ to_text('industry') }} as industry,
        {{ to_text('region') }} as region,
        {{ to_text('product_type') }} as product_type,
        {{ to_text('lead_source') }} as lead_source,
        {{ to_text('deal_stage') }} as deal_stage,
        {{ to_amount('deal_amount') }} as deal_amount,
        {{ to_text('outcome') }} as outcome,
        {{ try_cast('sales_cycle_days', dbt.type_int()) }} as stated_cycle_days,
        cast({{ to_timestamp('expected_close_date') }} as date) as expected_close_date,
        {{ to_probability('stage_probability') }} as stage_probability,
        {{ to_text('forecast_category') }} as forecast_category,
        {{ to_text('account_id') }} as account_id,
        {{ to_text('deal_name') }} as deal_name,
        {{ to_text('currency_code') }} as currency_code,
        {{ to_text('lost_reason') }} as lost_reason,
        {{ to_text('competitor') }} as competitor,
        {{ to_timestamp('updated_at') }} as updated_at,
        created_date as stated_created_date,
        closed_date as stated_closed_date,
        deal_amount as stated_deal_amount,
        {% for column in input_columns('deals') -%}
            {{ to_text(column) }} as raw_{{ column }}{{ "," if not loop.last }}
        {% endfor %}
    from int_input__deals
),

dated as (
    select
        *,
        cast(created_at as date) as created_date,
        cast(closed_at as date) as closed_date,
        {{ is_unreadable('stated_created_date', 'created_at') }} as is_created_date_unreadable,
        {{ is_unreadable('stated_closed_date', 'closed_at') }} as is_closed_date_unreadable,
        {{ is_unreadable('stated_deal_amount', 'deal_amount') }} as is_deal_amount_unreadable
    from typed
),

final as (
    select
        *,
        {{ deal_reason_codes('dated') }} as reason_codes
    from dated
)

select * from final
