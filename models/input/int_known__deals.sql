{{ config(materialized = "view") }}
{% set of_the_close = columns_of_the_close() %}

with

int_parsed__deals as (
    select * from {{ ref('int_parsed__deals') }}
    where not is_filtered
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

dated as (
    select
        int_parsed__deals.*,
        int_as_of.as_of_date,
        coalesce(int_parsed__deals.created_date > int_as_of.as_of_date, false) as is_not_yet_known,
        coalesce(int_parsed__deals.closed_date > int_as_of.as_of_date, false) as closes_later,
        coalesce(cast(int_parsed__deals.updated_at as date) > int_as_of.as_of_date, false) as is_updated_later
    from int_parsed__deals
    cross join int_as_of
),

-- What an amount is worth in the home currency: as the CRM says, else at the rate of the close, of open deals at that of the as-of date.
{% if var('home_currency', none) -%}
rated as (
    select
        dated.*,
        case
            when dated.home_amount <> 0 and dated.stated_amount <> 0 then cast(dated.home_amount as double) / cast(dated.stated_amount as double)
            when dated.currency_code = {{ home_currency() }} then 1
            else int_exchange_rates.home_rate
        end as home_rate
    from dated
    left join {{ ref('int_exchange_rates') }} as int_exchange_rates
        on
            dated.currency_code = int_exchange_rates.currency_code
            and coalesce(case when not dated.closes_later then dated.closed_date end, dated.as_of_date) >= int_exchange_rates.valid_from_date
            and coalesce(case when not dated.closes_later then dated.closed_date end, dated.as_of_date) < int_exchange_rates.valid_until_date
            and int_exchange_rates.reason_codes is null
),
{%- else -%}
rated as (
    select
        *,
        cast(1 as double) as home_rate
    from dated
),
{%- endif %}

-- What a row holds only because its deal closed is unknown on a date before that.
final as (
    select
        as_of_date,
        is_not_yet_known,
        closes_later,
        deal_id,
        created_at,
        created_date,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        pipeline,
        deal_type,
        stated_amount as amount_in_currency,
        coalesce({{ 'nullif(home_amount, 0)' if var('home_currency', none) else 'null' }}, {{ in_home_currency('stated_amount', 'home_rate') }}) as stated_amount,
        home_rate,
        is_created_date_unreadable,
        is_closed_date_unreadable and not closes_later as is_closed_date_unreadable,
        is_amount_unreadable,
        case
            when expected_close_date between cast('1990-01-01' as date) and {{ dbt.dateadd('year', 10, 'as_of_date') }} then expected_close_date
        end as expected_close_date,
        account_id,
        deal_name,
        currency_code,
        has_close_date_while_open,
        case when not closes_later then closed_at end as closed_at,
        case when not closes_later then closed_date end as closed_date,
        case when closes_later then 'Open' else outcome end as outcome,
        case when not closes_later then stated_outcome end as stated_outcome,
        case when not closes_later then deal_stage end as deal_stage,
        case when not closes_later then stated_stage end as stated_stage,
        case when not closes_later then stated_cycle_days end as stated_cycle_days,
        case when not closes_later then stage_probability end as stage_probability,
        case when not closes_later then forecast_category end as forecast_category,
        case when not closes_later then lost_reason end as lost_reason,
        case when not closes_later then competitor end as competitor,
        case when not closes_later then next_step end as next_step,
        case when not is_updated_later then updated_at end as updated_at,
        {% for each in own_dimensions() -%}
        {{ "case when not closes_later then " ~ each.dimension ~ " end as " ~ each.dimension if each.get("known") == "close" else each.dimension }},
        {% endfor -%}
        case
            when closes_later or is_updated_later
                then struct_pack(
                    {%- for column in input_columns('deals') + own_columns() %}
                    {{ column }} := case when {{ "not closes_later and " if column in of_the_close }}{{ "not is_updated_later" if column == "updated_at" else "true" }} then struct_extract(raw, '{{ column }}') end
                    {{- "," if not loop.last }}
                    {%- endfor %}
                )
            else raw
        end as raw
    from rated
)

select * from final
