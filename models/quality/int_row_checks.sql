-- What became of the rows of each input, as checks of rpt_data_quality.
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

final as (
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
        cast(known_row_count + rows_not_yet_known as bigint) as all_row_count,
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
        cast(sum(case when closes_later then row_count end) as double) as check_value,
        cast(sum(row_count) as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'close dates far beyond all other days: their deals count as open; mend the dates, or set as_of_date' as message
    from {{ ref('int_judged_deals') }}
    where reason_codes is null
    having sum(case when closes_later then row_count end) > 0

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
        'open_deals_turned_away' as check_name,
        cast(coalesce(sum(case when {{ is_open_and_rejected() }} then row_count end), 0) as double) as check_value,
        cast(sum(row_count) as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'open deals that no mart knows of, of all open ones: see fct_quarantined_rows' as message
    from {{ ref('int_judged_deals') }}
    where outcome = 'Open'
)

select * from final
