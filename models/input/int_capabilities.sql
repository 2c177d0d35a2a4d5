with

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
    where is_available
),

final as (
    select
        count(case when capability = 'closed_deals' then 1 end) > 0 as has_closed_deals,
        count(case when capability = 'open_deals' then 1 end) > 0 as has_open_deals,
        count(case when capability = 'lost_reasons' then 1 end) > 0 as has_lost_reasons,
        count(case when capability = 'competitors' then 1 end) > 0 as has_competitors,
        count(case when capability = 'stage_history' then 1 end) > 0 as has_stage_history,
        count(case when capability = 'field_history' then 1 end) > 0 as has_field_history,
        count(case when capability = 'activities' then 1 end) > 0 as has_activities,
        count(case when capability = 'interventions' then 1 end) > 0 as has_interventions,
        count(case when capability = 'quotas' then 1 end) > 0 as has_quotas,
        count(case when capability = 'forecast_calls' then 1 end) > 0 as has_forecast_calls
    from int_data_levels
)

select * from final
