-- noqa: disable=layout.indent
{% set segments = ['industry', 'region', 'product_type', 'lead_source'] %}
{% set closing_facts = ['lost_reason', 'competitor'] %}

with

int_checked__deals as (
    select * from {{ ref('int_checked__deals') }}
),

int_segment_spellings as (
    select * from {{ ref('int_segment_spellings') }}
),

int_field_values as (
    select * from {{ ref('int_field_values') }}
),

bands as (
    select * from {{ ref('bands') }}
),

accepted as (
    select
        deals.*,
        {% for dimension in segments -%}
            coalesce({{ dimension }}_spellings.segment_value, 'Unknown') as {{ dimension }}_value,
        {% endfor -%}
        {% for fact in closing_facts -%}
            case when deals.closed_date is not null then coalesce({{ fact }}_spellings.segment_value, deals.{{ fact }}) end as {{ fact }}_value,
        {% endfor -%}
        coalesce(field_values.deal_amount, deals.deal_amount) as known_amount,
        coalesce(field_values.sales_rep_id, deals.sales_rep_id, 'Unknown') as known_sales_rep_id,
        coalesce(field_values.expected_close_date, deals.expected_close_date) as known_expected_close_date,
        field_values.deal_amount is null as is_amount_undated,
        cast({{ dbt.datediff('deals.created_date', 'deals.closed_date', 'day') }} as integer) as cycle_days,
        cast(
            {{ dbt.datediff('deals.created_date', 'coalesce(deals.closed_date, deals.as_of_date)', 'day') }} as integer
        ) as age_days
    from int_checked__deals as deals
    left join int_field_values as field_values
        on deals.deal_id = field_values.deal_id
    {% for dimension in segments + closing_facts -%}
    left join int_segment_spellings as {{ dimension }}_spellings
        on
            {{ dimension }}_spellings.segment_dimension = '{{ dimension }}'
            and deals.{{ dimension }} = {{ dimension }}_spellings.spelling
    {% endfor -%}
    where deals.reason_codes is null
),

final as (
    select
        accepted.deal_id,
        accepted.deal_name,
        accepted.account_id,
        accepted.created_at,
        accepted.created_date,
        accepted.closed_at,
        accepted.closed_date,
        case lower(accepted.outcome) when 'won' then 'Won' when 'lost' then 'Lost' else 'Open' end as outcome,
        accepted.closed_date is null as is_open,
        case when accepted.closed_date is not null then lower(accepted.outcome) = 'won' end as is_won,
        accepted.known_sales_rep_id as sales_rep_id,
        {% for dimension in segments -%}
            accepted.{{ dimension }}_value as {{ dimension }},
        {% endfor -%}
        accepted.deal_stage,
        accepted.known_amount as deal_amount,
        accepted.is_amount_undated,
        size_bands.band as deal_size_band,
        accepted.cycle_days,
        cycle_bands.band as cycle_band,
        accepted.stated_cycle_days,
        accepted.age_days,
        cast({{ dbt.date_trunc('month', 'accepted.created_date') }} as date) as cohort_month,
        cast({{ dbt.date_trunc('month', 'accepted.closed_date') }} as date) as closed_month,
        accepted.known_expected_close_date as expected_close_date,
        accepted.stage_probability,
        accepted.forecast_category,
        accepted.currency_code,
        accepted.lost_reason_value as lost_reason,
        accepted.competitor_value as competitor,
        accepted.updated_at,
        accepted.as_of_date
    from accepted
    left join bands as size_bands
        on
            size_bands.band_type = 'deal_size_band'
            and {{ in_band('accepted.known_amount', 'size_bands') }}
    left join bands as cycle_bands
        on
            cycle_bands.band_type = 'cycle_band'
            and {{ in_band('accepted.cycle_days', 'cycle_bands') }}
)

select * from final
