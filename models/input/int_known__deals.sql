-- noqa: disable=layout.indent
{{ config(materialized = "view") }}

-- What a row holds only because its deal closed; unknown on a date before that.
{% set known_at_close = [
    'closed_date', 'outcome', 'deal_stage', 'sales_cycle_days', 'stage_probability', 'forecast_category', 'lost_reason',
    'competitor',
] %}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

dated as (
    select
        int_parsed__deals.*,
        int_as_of.as_of_date,
        coalesce(int_as_of.is_given and int_parsed__deals.created_date > int_as_of.as_of_date, false) as is_not_yet_known,
        coalesce(int_as_of.is_given and int_parsed__deals.closed_date > int_as_of.as_of_date, false) as closes_later,
        coalesce(int_as_of.is_given and cast(int_parsed__deals.updated_at as date) > int_as_of.as_of_date, false) as is_updated_later
    from int_parsed__deals
    cross join int_as_of
),

final as (
    select
        as_of_date,
        is_not_yet_known,
        deal_id,
        created_at,
        created_date,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        deal_amount,
        is_created_date_unreadable,
        is_closed_date_unreadable,
        is_deal_amount_unreadable,
        expected_close_date,
        account_id,
        deal_name,
        currency_code,
        {% for column in [
            'closed_at', 'closed_date', 'outcome', 'deal_stage', 'stated_cycle_days', 'stage_probability', 'forecast_category',
            'lost_reason', 'competitor',
        ] -%}
            case when not closes_later then {{ column }} end as {{ column }},
        {% endfor %}
        case when not is_updated_later then updated_at end as updated_at,
        {% for column in input_columns('deals') -%}
            {%- if column in known_at_close -%}
        case when not closes_later then raw_{{ column }} end as raw_{{ column }}{{ "," if not loop.last }}
            {%- elif column == 'updated_at' -%}
        case when not is_updated_later then raw_updated_at end as raw_updated_at{{ "," if not loop.last }}
            {%- else -%}
        raw_{{ column }}{{ "," if not loop.last }}
            {%- endif %}
        {% endfor %}
    from dated
)

select * from final
