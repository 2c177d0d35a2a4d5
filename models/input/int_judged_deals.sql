with

-- Rejected deals stand here too, so that the input is read and checked once.
checked as (
    select
        *,
        case when reason_codes is not null then {{ raw_values(input_columns('deals'), 'raw_') }} end as raw_values
    from {{ ref('int_sourced_deals') }}
),

int_segment_spellings as (
    select * from {{ ref('int_segment_spellings') }}
),

bands as (
    select * from {{ ref('bands') }}
),

valued as (
    select
        deals.*,
        coalesce(industry_spellings.segment_value, 'Unknown') as industry_value,
        coalesce(region_spellings.segment_value, 'Unknown') as region_value,
        coalesce(product_type_spellings.segment_value, 'Unknown') as product_type_value,
        coalesce(lead_source_spellings.segment_value, 'Unknown') as lead_source_value,
        case when deals.closed_date is not null then coalesce(lost_reason_spellings.segment_value, deals.lost_reason) end as lost_reason_value,
        case when deals.closed_date is not null then coalesce(competitor_spellings.segment_value, deals.competitor) end as competitor_value,
        cast({{ dbt.datediff('deals.created_date', 'deals.closed_date', 'day') }} as integer) as cycle_days,
        cast(
            {{ dbt.datediff('deals.created_date', 'coalesce(deals.closed_date, deals.as_of_date)', 'day') }} as integer
        ) as age_days
    from checked as deals
    left join int_segment_spellings as industry_spellings
        on industry_spellings.segment_dimension = 'industry' and deals.industry = industry_spellings.spelling
    left join int_segment_spellings as region_spellings
        on region_spellings.segment_dimension = 'region' and deals.region = region_spellings.spelling
    left join int_segment_spellings as product_type_spellings
        on product_type_spellings.segment_dimension = 'product_type' and deals.product_type = product_type_spellings.spelling
    left join int_segment_spellings as lead_source_spellings
        on lead_source_spellings.segment_dimension = 'lead_source' and deals.lead_source = lead_source_spellings.spelling
    left join int_segment_spellings as lost_reason_spellings
        on lost_reason_spellings.segment_dimension = 'lost_reason' and deals.lost_reason = lost_reason_spellings.spelling
    left join int_segment_spellings as competitor_spellings
        on competitor_spellings.segment_dimension = 'competitor' and deals.competitor = competitor_spellings.spelling
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
        valued.industry_value as industry,
        valued.region_value as region,
        valued.product_type_value as product_type,
        valued.lead_source_value as lead_source,
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
        valued.recorded_at,
        valued.amount_newer_in,
        valued.close_date_newer_in,
        valued.owner_newer_in,
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
