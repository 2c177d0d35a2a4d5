with

mart_capabilities as (
    select * from {{ ref('mart_capabilities') }}
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

int_mart_row_counts as (
    select * from {{ ref('int_mart_row_counts') }}
),

int_data_causes as (
    select * from {{ ref('int_data_causes') }}
    where is_lacking
),

joined as (
    select
        mart_capabilities.mart,
        mart_capabilities.capability,
        mart_capabilities.answers,
        mart_capabilities.cannot_say_without,
        coalesce(int_data_levels.data_level, 'L0') as data_level,
        coalesce(int_data_levels.is_available, true) as has_data,
        int_data_levels.reason as reason_without_data,
        int_data_levels.observed_since_date,
        -- Nothing counts this mart itself, which has a row of each.
        coalesce(counts.row_count, 1) as row_count,
        coalesce(counts.value_count, 1) as value_count,
        nullif(rtrim(counts.empty_columns, ', '), '') as empty_columns,
        string_split(concat_ws(' ', mart_capabilities.also_needs, 'deals'), ' ') as needs
    from mart_capabilities
    left join int_data_levels
        on mart_capabilities.capability = int_data_levels.capability
    left join int_mart_row_counts as counts
        on mart_capabilities.mart = counts.mart
),

-- The first thing lacking of those that the mart needs, in their order.
causes as (
    select
        joined.mart,
        joined.capability,
        arg_min(int_data_causes.reason, list_position(joined.needs, int_data_causes.cause)) as reason
    from joined
    inner join int_data_causes
        on list_contains(joined.needs, int_data_causes.cause)
    group by joined.mart, joined.capability
),

final as (
    select
        joined.mart,
        joined.data_level,
        joined.capability,
        joined.answers,
        joined.has_data and joined.value_count > 0 as is_available,
        case
            when not joined.has_data or joined.row_count = 0 or joined.empty_columns is not null
                then concat(
                    case
                        when joined.row_count = 0 then 'Has no rows: '
                        when joined.empty_columns is not null then concat('Has no ', joined.empty_columns, ': ')
                        else 'Lacks a part: '
                    end,
                    case when joined.has_data then coalesce(causes.reason, 'the deals are too few for it') else joined.reason_without_data end,
                    case
                        when joined.cannot_say_without is not null and (not joined.has_data or joined.value_count = 0)
                            then '. It can''t say ' || joined.cannot_say_without
                    end,
                    '.'
                )
        end as reason,
        joined.observed_since_date
    from joined
    left join causes
        on
            joined.mart = causes.mart
            and joined.capability is not distinct from causes.capability
)

select * from final
