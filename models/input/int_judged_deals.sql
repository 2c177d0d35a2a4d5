-- noqa: disable=layout.indent
{% set segments = ['industry', 'region', 'product_type', 'lead_source'] %}
{% set closing_facts = ['lost_reason', 'competitor'] %}

with

-- Rejected deals stand here too, so that the input is read and judged once.
checked as (
    select
        *,
        case when reason_codes is not null then {{ raw_values(input_columns('deals'), 'raw_') }} end as raw_values
    from {{ ref('int_checked__deals') }}
),

int_segment_spellings as (
    select * from {{ ref('int_segment_spellings') }}
),

int_current_field_values as (
    select * from {{ ref('int_current_field_values') }}
),

bands as (
    select * from {{ ref('bands') }}
),

valued as (
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
    from checked as deals
    left join int_current_field_values as field_values
        on deals.deal_id = field_values.deal_id
    {% for dimension in segments + closing_facts -%}
    left join int_segment_spellings as {{ dimension }}_spellings
        on
            {{ dimension }}_spellings.segment_dimension = '{{ dimension }}'
            and deals.{{ dimension }} = {{ dimension }}_spellings.spelling
    {% endfor %}
),

final as (
    select
        valued.deal_id,
        valued.deal_name,
        valued.account_id,
        valued.created_at,
        valued.created_date,
        valued.closed_at,
        valued.closed_date,
        case lower(valued.outcome) when 'won' then 'Won' when 'lost' then 'Lost' else 'Open' end as outcome,
        valued.closed_date is null as is_open,
        case when valued.closed_date is not null then lower(valued.outcome) = 'won' end as is_won,
        valued.known_sales_rep_id as sales_rep_id,
        {% for dimension in segments -%}
            valued.{{ dimension }}_value as {{ dimension }},
        {% endfor -%}
        valued.deal_stage,
        valued.known_amount as deal_amount,
        valued.is_amount_undated,
        size_bands.band as deal_size_band,
        valued.cycle_days,
        cycle_bands.band as cycle_band,
        valued.stated_cycle_days,
        valued.age_days,
        cast({{ dbt.date_trunc('month', 'valued.created_date') }} as date) as cohort_month,
        cast({{ dbt.date_trunc('month', 'valued.closed_date') }} as date) as closed_month,
        valued.known_expected_close_date as expected_close_date,
        valued.stage_probability,
        valued.forecast_category,
        valued.currency_code,
        valued.lost_reason_value as lost_reason,
        valued.competitor_value as competitor,
        valued.updated_at,
        valued.as_of_date,
        replace(
            replace(valued.reason_codes, 'deal_stage_unknown', concat('deal_stage_unknown: ', valued.deal_stage)),
            'outcome_unknown',
            concat('outcome_unknown: ', valued.outcome)
        ) as reason,
        valued.reason_codes,
        valued.raw_values,
        valued.row_count
    from valued
    left join bands as size_bands
        on
            size_bands.band_type = 'deal_size_band'
            and {{ in_band('valued.known_amount', 'size_bands') }}
    left join bands as cycle_bands
        on
            cycle_bands.band_type = 'cycle_band'
            and {{ in_band('valued.cycle_days', 'cycle_bands') }}
)

select * from final
