with

swings as (
    select
        factor,
        level,
        max(vs_others_pp) - min(vs_others_pp) as swing_pp
    from {{ ref('rpt_win_rate_driver_half_years') }}
    group by factor, level
),

calibrations as (
    select
        method,
        100 * (sum(weighted_deal_count * abs(predicted_win_rate - win_rate)) / sum(weighted_deal_count)) as mean_error_pp
    from {{ ref('rpt_score_calibration') }}
    group by method
),

scores as (
    select
        quality.score_status,
        calibrations.mean_error_pp,
        quality.score_status = 'model' and (
            {{ is_off('calibration_slope', 1, 'calibration_slope_lower', 'calibration_slope_upper', 'quantiles.normal_quantile') }}
            or {{ is_off('calibration_intercept', 0, 'calibration_intercept_lower', 'calibration_intercept_upper', 'quantiles.normal_quantile') }}
        ) as is_signal,
        {{ coefficient_text('slope', 'calibration_slope', 1, 'calibration_slope_lower', 'calibration_slope_upper') }} as slope_text,
        {{ coefficient_text('intercept', 'calibration_intercept', 0, 'calibration_intercept_lower', 'calibration_intercept_upper') }} as intercept_text
    from {{ ref('rpt_score_quality') }} as quality
    inner join calibrations
        on quality.score_status = calibrations.method
    cross join {{ ref('int_confidence_quantile') }} as quantiles
    where quality.fold = 'all' and quality.score_status in ('model', 'table')
),

found as (
    select
        metric,
        subject_type,
        subject_id,
        subject_name,
        value,
        is_signal,
        finding
    from {{ ref('int_alert_months') }}
    where is_newest

    union all by name

    select
        'segment_gap_pp' as metric,
        'segment' as subject_type,
        segment_dimension || ': ' || segment_value as subject_id,
        {{ labelled('segment_dimension') }} || ' ' || segment_value as subject_name,
        100 * vs_reference_difference as value,
        verdict = 'signal' as is_signal,
        finding,
        case segment_dimension when 'sales_rep_id' then segment_value end as sales_rep_id
    from {{ ref('rpt_segment_win_rates') }}
    where period = 'all' and second_segment_value is null and segment_dimension not in ('all', 'lead_source') and not is_known_only_after_close

    union all by name

    select
        'source_gap_pp' as metric,
        'lead_source' as subject_type,
        segment_value as subject_id,
        'lead_source ' || segment_value as subject_name,
        100 * abs(vs_reference_difference) as value,
        verdict = 'signal' as is_signal,
        finding
    from {{ ref('rpt_segment_win_rates') }}
    where period = 'all' and segment_dimension = 'lead_source'

    union all by name

    select
        'driver_swing_pp' as metric,
        'driver' as subject_type,
        drivers.factor || ': ' || drivers.level as subject_id,
        {{ labelled('drivers.factor') }} || ' ' || drivers.level as subject_name,
        swings.swing_pp as value,
        drivers.is_sign_flip as is_signal,
        drivers.finding
    from {{ ref('rpt_win_rate_drivers') }} as drivers
    inner join swings
        on drivers.factor = swings.factor and drivers.level = swings.level
    where not drivers.is_known_only_after_close and drivers.is_sign_flip is not null and swings.swing_pp is not null

    union all by name

    select
        'calibration_error_pp' as metric,
        'score' as subject_type,
        'scores' as subject_id,
        'Deal scores' as subject_name,
        mean_error_pp as value,
        is_signal,
        'Scores of deals created after the training were off by ' || {{ one_decimal('mean_error_pp') }} || ' points on average'
        || coalesce(
            case when score_status = 'model' then slope_text || intercept_text end
            || case when is_signal then ': more than chance.' else ': chance can explain it.' end, '; not judged.'
        ) as finding
    from scores
),

final as (
    select
        metric,
        subject_type,
        subject_id,
        {{ one_line('subject_name') }} as subject_name,
        cast(value as double) as value,
        coalesce(is_signal, false) as is_signal,
        sales_rep_id,
        {{ one_line('finding') }} as evidence
    from found
)

select * from final
