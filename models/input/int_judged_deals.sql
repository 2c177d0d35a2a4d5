{% set own = own_dimensions() %}
with

-- Rejected deals stand here too, so that the input is read and checked once.
checked as (
    select
        *,
        case when reason_codes is not null then cast(to_json(raw) as {{ dbt.type_string() }}) end as raw_values
    from {{ ref('int_sourced_deals') }}
),

int_segment_spellings as (
    select * from {{ ref('int_segment_spellings') }}
),

int_bands as (
    select * from {{ ref('int_bands') }}
),

valued as (
    select
        deals.*,
        coalesce(industry_spellings.segment_value, 'Unknown') as industry_value,
        coalesce(region_spellings.segment_value, 'Unknown') as region_value,
        coalesce(product_type_spellings.segment_value, 'Unknown') as product_type_value,
        coalesce(lead_source_spellings.segment_value, 'Unknown') as lead_source_value,
        coalesce(deal_type_spellings.segment_value, 'Unknown') as deal_type_value,
        case when deals.outcome <> 'Open' then coalesce(lost_reason_spellings.segment_value, deals.lost_reason) end as lost_reason_value,
        case when deals.outcome <> 'Open' then coalesce(competitor_spellings.segment_value, deals.competitor) end as competitor_value,
        {% for each in own if each.get('kind') != 'number' -%}
        coalesce({{ each.dimension }}_spellings.segment_value, 'Unknown') as {{ each.dimension }}_value,
        {% endfor -%}
        cast({{ dbt.datediff('deals.created_date', 'deals.closed_date', 'day') }} as integer) as cycle_days,
        cast(
            {{ dbt.datediff('deals.created_date', 'coalesce(deals.closed_date, deals.as_of_date)', 'day') }} as integer
        ) as age_days
    from checked as deals
    {% for column in spelled_columns() -%}
    left join int_segment_spellings as {{ column }}_spellings
        on {{ column }}_spellings.segment_dimension = '{{ column }}' and deals.{{ column }} = {{ column }}_spellings.spelling
    {% endfor %}
),

-- Why an amount can't be counted; null where it can.
weighed as (
    select
        *,
        case
            when known_amount is null and is_amount_unreadable then 'unreadable'
            when known_amount is null and known_amount_in_currency is not null then 'no_exchange_rate'
            when known_amount is null then 'missing'
            when known_amount = 0 then 'zero'
            when known_amount >= {{ var('max_deal_amount') }} then 'too_large'
            when known_amount < 0{% for type in var('negative_amount_deal_types') %} and lower(deal_type_value) <> '{{ type | lower | replace("'", "''") }}'{% endfor %}
                then 'negative'
        end as amount_problem
    from valued
),

final as (
    select
        weighed.deal_id,
        weighed.deal_name,
        weighed.account_id,
        weighed.created_at,
        weighed.created_date,
        weighed.closed_at,
        weighed.closed_date,
        weighed.outcome,
        weighed.outcome = 'Open' as is_open,
        case when weighed.outcome <> 'Open' then weighed.outcome = 'Won' end as is_won,
        weighed.outcome <> 'Open' as is_win_rate_eligible,
        weighed.outcome <> 'Open' and weighed.closed_date is not null as is_cycle_eligible,
        weighed.amount_problem is null as is_value_eligible,
        weighed.known_sales_rep_id as sales_rep_id,
        weighed.industry_value as industry,
        weighed.region_value as region,
        weighed.product_type_value as product_type,
        weighed.lead_source_value as lead_source,
        weighed.deal_type_value as deal_type,
        {% for each in own -%}
        {{ "case when weighed.outcome <> 'Open' then " if each.get('known') == 'close' -}}
        coalesce({{ (each.dimension ~ "_bands.band") if each.get('kind') == 'number' else ("weighed." ~ each.dimension ~ "_value") }}, 'Unknown')
        {{- " end" if each.get('known') == 'close' }} as {{ each.dimension }},
        {% endfor -%}
        weighed.pipeline,
        weighed.deal_stage,
        weighed.stated_stage,
        case when weighed.amount_problem is null then weighed.known_amount end as deal_amount,
        weighed.amount_problem,
        weighed.is_amount_undated and weighed.amount_problem is null as is_amount_undated,
        coalesce(size_bands.band, 'Unknown') as deal_size_band,
        weighed.cycle_days,
        cycle_bands.band as cycle_band,
        weighed.stated_cycle_days,
        weighed.age_days,
        cast({{ dbt.date_trunc('month', 'weighed.created_date') }} as date) as cohort_month,
        cast({{ dbt.date_trunc('month', 'weighed.closed_date') }} as date) as closed_month,
        weighed.known_expected_close_date as expected_close_date,
        weighed.stage_probability,
        weighed.forecast_category,
        weighed.currency_code,
        weighed.known_amount_in_currency as deal_amount_in_currency,
        weighed.home_rate,
        weighed.lost_reason_value as lost_reason,
        weighed.competitor_value as competitor,
        weighed.next_step,
        weighed.updated_at,
        weighed.recorded_at,
        weighed.amount_newer_in,
        weighed.close_date_newer_in,
        weighed.owner_newer_in,
        weighed.is_closed_date_unreadable,
        weighed.has_close_date_while_open,
        weighed.closes_later,
        weighed.as_of_date,
        replace(
            replace(weighed.reason_codes, 'deal_stage_unknown', concat('deal_stage_unknown: ', weighed.stated_stage)),
            'outcome_unknown',
            concat('outcome_unknown: ', weighed.stated_outcome)
        ) as reason,
        weighed.reason_codes,
        weighed.raw_values,
        weighed.row_count
    from weighed
    left join int_bands as size_bands
        on
            size_bands.band_type = 'deal_size_band'
            and weighed.amount_problem is null
            and {{ in_band('weighed.known_amount', 'size_bands') }}
    left join int_bands as cycle_bands
        on
            cycle_bands.band_type = 'cycle_band'
            and {{ in_band('weighed.cycle_days', 'cycle_bands') }}
    {% for each in own if each.get('kind') == 'number' -%}
    left join int_bands as {{ each.dimension }}_bands
        on
            {{ each.dimension }}_bands.band_type = '{{ each.dimension }}'
            and {{ in_band('weighed.' ~ each.dimension, each.dimension ~ '_bands') }}
    {% endfor %}
)

select * from final
