with

mart_capabilities as (
    select * from {{ ref('mart_capabilities') }}
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

final as (
    select
        mart_capabilities.mart,
        coalesce(int_data_levels.data_level, 'L0') as data_level,
        mart_capabilities.capability,
        mart_capabilities.answers,
        coalesce(int_data_levels.is_available, true) as is_available,
        case
            when not int_data_levels.is_available
                then concat('Has no rows: ', int_data_levels.reason, '. It can''t say ', mart_capabilities.cannot_say_without, '.')
        end as reason,
        int_data_levels.observed_since_date
    from mart_capabilities
    left join int_data_levels
        on mart_capabilities.capability = int_data_levels.capability
)

select * from final
