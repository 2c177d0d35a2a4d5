with

-- Rows that were counted; all but those of the deals name their input.
counted as (
    select * from {{ ref('int_deal_checks') }}
    union all by name
    select * from {{ ref('int_companion_checks') }}
    union all by name
    select * from {{ ref('int_unknown_stages') }}
    union all by name
    select * from {{ ref('int_history_checks') }}
),

checks as (
    select
        input,
        check_name,
        check_value,
        all_row_count,
        unit,
        is_finding_above_zero,
        message
    from {{ ref('int_row_checks') }}

    union all

    select
        input,
        check_name,
        check_value,
        all_row_count,
        unit,
        is_finding_above_zero,
        message
    from {{ ref('int_value_checks') }}

    union all

    select
        coalesce(input, 'deals') as input,
        check_name,
        cast(row_count as double) as check_value,
        all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from counted

    union all

    select
        input,
        concat('ignored_column: ', column_name) as check_name,
        1 as check_value,
        cast(null as bigint) as all_row_count,
        'columns' as unit,
        true as is_finding_above_zero,
        'a column of the file that nothing reads: map it with column_mapping if it means what a canonical column does, or split deals by it as an own dimension' as message
    from {{ ref('int_ignored_columns') }}

    union all

    select
        input,
        check_name,
        days_since_newest as check_value,
        cast(null as bigint) as all_row_count,
        'days' as unit,
        false as is_finding_above_zero,
        'days from the newest accepted row to the as-of date' as message
    from {{ ref('int_input_freshness') }}

    union all

    select
        'deals' as input,
        'created_volume_change_rate' as check_name,
        change_rate as check_value,
        cast(null as bigint) as all_row_count,
        'rate' as unit,
        false as is_finding_above_zero,
        'deals created in the last complete month against the mean of the twelve before' as message
    from {{ ref('int_volume_changes') }}
    where metric = 'created_deals' and period_type = 'month' and is_newest_period and change_rate is not null

    union all

    select
        'deals' as input,
        'default_value_method_behind_the_best' as check_name,
        max(case when is_default then mean_absolute_error_rate end) - min(mean_absolute_error_rate) as check_value,
        cast(null as bigint) as all_row_count,
        'rate' as unit,
        true as is_finding_above_zero,
        'mean error of the default forecast method above that of the best one: see rpt_pipeline_value_methods' as message
    from {{ ref('rpt_pipeline_value_methods') }}
    where verdict in ('best', 'beaten')
    having count(case when is_default then 1 end) > 0
),

shared as (
    select
        *,
        case when unit = 'rows' and all_row_count > 0 then check_value / all_row_count end as share_rate,
        is_finding_above_zero and check_value <> 0 as is_finding
    from checks
),

final as (
    select
        shared.input,
        shared.check_name,
        shared.check_value,
        shared.share_rate,
        shared.unit,
        shared.is_finding,
        shared.is_finding and coalesce(shared.share_rate, 1) >= grave_findings.least_share_rate is true as is_warning,
        grave_findings.gravity_rank,
        shared.message
    from shared
    left join {{ ref('grave_findings') }} as grave_findings
        on split_part(shared.check_name, ':', 1) = grave_findings.check_name
)

select * from final
