with

-- The alarm of a month is of one side: it counts for a month whose value lies on that side.
months as (
    select
        'win_rate_gap_pp' as metric,
        'win_rate' as subject_type,
        'all' as subject_id,
        'All deals' as subject_name,
        period_start_date,
        period_end_date,
        win_rate as level_value,
        expected_win_rate as expected_value,
        100 * (win_rate - expected_win_rate) as value,
        verdict,
        verdict = 'signal' and (alarm_direction = 'below') = (win_rate < expected_win_rate) as is_signal,
        finding
    from {{ ref('rpt_win_rate_trend') }}
    where
        basis = 'closed_date'
        and period_type = 'month'
        and not is_risk_adjusted
        and not is_partial_period

    union all

    select
        'created_volume_change_rate' as metric,
        'volume' as subject_type,
        'created_deals' as subject_id,
        'Created deals' as subject_name,
        changes.period_start_date,
        changes.period_end_date,
        changes.value as level_value,
        changes.expected_value,
        changes.change_rate as value,
        changes.verdict,
        changes.verdict = 'signal' as is_signal,
        {{ volume_finding('changes') }} as finding
    from {{ ref('int_volume_changes') }} as changes
    where
        changes.metric = 'created_deals'
        and changes.period_type = 'month'
),

final as (
    select
        months.metric,
        months.subject_type,
        months.subject_id,
        months.subject_name,
        months.period_end_date,
        months.value,
        months.verdict in ('signal', 'no_signal') as is_judged,
        coalesce(months.is_signal, false) as is_signal,
        case
            when lead(months.period_start_date) over metric_months = {{ dbt.dateadd('day', 1, 'months.period_end_date') }}
                then lead(months.level_value) over metric_months < months.expected_value
        end as has_happened,
        case
            when months.period_end_date > {{ dbt.dateadd('month', -13, 'int_as_of.as_of_date') }}
                then months.period_end_date > {{ dbt.dateadd('month', -12, 'int_as_of.as_of_date') }}
        end as is_replayed,
        months.period_start_date = max(months.period_start_date) over (partition by months.metric) as is_newest,
        months.finding
    from months
    cross join {{ ref('int_as_of') }} as int_as_of
    window metric_months as (partition by months.metric order by months.period_start_date)
)

select * from final
