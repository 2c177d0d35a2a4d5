with

row_counts as (
    select
        input,
        row_count - filtered_count - not_yet_known_count as known_row_count,
        cast(row_count as double) as rows_in,
        cast(accepted_count as double) as rows_accepted,
        cast(quarantined_count as double) as rows_quarantined,
        cast(duplicate_count as double) as rows_duplicate,
        cast(filtered_count as double) as rows_filtered,
        cast(not_yet_known_count as double) as rows_not_yet_known,
        cast(row_count - accepted_count - quarantined_count - duplicate_count - filtered_count - not_yet_known_count as double) as row_identity_difference
    from {{ ref('int_input_row_counts') }}
),

checks as (
    select
        input,
        check_name,
        check_value,
        case when check_name not in ('rows_in', 'rows_filtered', 'rows_not_yet_known') then known_row_count end as all_row_count,
        'rows' as unit,
        check_name in ('rows_quarantined', 'rows_duplicate', 'row_identity_difference') as is_finding_above_zero,
        'rows in = accepted + quarantined + duplicates + filtered + not yet known' as message
    from row_counts
    unpivot (check_value for check_name in (
        rows_in, rows_accepted, rows_quarantined, rows_duplicate, rows_filtered, rows_not_yet_known, row_identity_difference
    ))

    {% if not var('as_of_date', none) -%}
    union all

    -- With no date given, of what happened only what lies far beyond all other days is not yet known.
    select
        input,
        'dates_beyond_gap' as check_name,
        rows_not_yet_known as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'rows dated far beyond all others, which count as not yet known: mend their dates, or set as_of_date' as message
    from row_counts
    where
        rows_not_yet_known > 0
        and input in ('deals', 'stage_history', 'field_history', 'value_intervals')

    union all

    select
        'deals' as input,
        'close_dates_beyond_gap' as check_name,
        cast(sum(row_count) as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'close dates far beyond all other days: their deals count as open; mend the dates, or set as_of_date' as message
    from {{ ref('int_judged_deals') }}
    where
        reason_codes is null
        and closes_later
    having sum(row_count) > 0

    {% endif -%}
    union all

    select
        input,
        concat('quarantined: ', reason_codes) as check_name,
        cast(sum(row_count) as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'rows turned away for this reason: see fct_quarantined_rows' as message
    from {{ ref('int_rejected_rows') }}
    group by input, reason_codes

    union all

    select
        'deals' as input,
        check_name,
        cast(row_count as double) as check_value,
        all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from {{ ref('int_deal_checks') }}

    union all

    select
        'deals' as input,
        'open_deals_turned_away' as check_name,
        cast(coalesce(sum(case when {{ is_open_and_rejected() }} then row_count end), 0) as double) as check_value,
        cast(sum(row_count) as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'open deals that no mart knows of, of all open ones: see fct_quarantined_rows' as message
    from {{ ref('int_judged_deals') }}
    where outcome = 'Open'

    union all

    select
        'deals' as input,
        concat('outcome_dependent_loss: ', problem) as check_name,
        cast(won_missing_count + lost_missing_count as double) as check_value,
        won_deal_count + lost_deal_count as all_row_count,
        'rows' as unit,
        is_outcome_dependent as is_finding_above_zero,
        {{ missing_by_outcome_finding('missing') }} as message
    from {{ ref('int_missing_by_outcome') }} as missing

    union all

    select
        input,
        concat(column_name, '_read_as_percent') as check_name,
        cast(value_count as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        not is_declared as is_finding_above_zero,
        'probabilities read as percent: set the var percent if they are fractions, or to confirm it' as message
    from {{ ref('int_probability_scales') }}
    where is_percent and value_count > 0

    union all

    select
        input,
        concat(column_name, '_outside_0_to_1') as check_name,
        cast(outside_count as double) as check_value,
        value_count as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'probabilities below 0 or above 1 (100 %): they count as missing' as message
    from {{ ref('int_probability_scales') }}
    where outside_count > 0

    union all

    select
        input,
        check_name,
        cast(row_count as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from {{ ref('int_unknown_stages') }}

    union all

    select
        input,
        check_name,
        cast(row_count as double) as check_value,
        all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from {{ ref('int_companion_checks') }}

    union all

    select
        input,
        check_name,
        cast(row_count as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from {{ ref('int_history_checks') }}

    union all

    select
        input,
        concat('ignored_column: ', column_name) as check_name,
        1 as check_value,
        cast(null as bigint) as all_row_count,
        'columns' as unit,
        true as is_finding_above_zero,
        'a column of the file that nothing reads: map it with column_mapping if it is one of the canonical columns' as message
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

    -- The same figure as in the alerts: a month without deals counts as 0.
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
    having count(*) > 0
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
