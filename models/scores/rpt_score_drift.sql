with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

ml_score_drift as (
    select * from {{ ref('ml_score_drift') }}
),

int_score_factors as (
    select * from {{ ref('int_score_factors') }}
),

labelled as (
    select
        drift.*,
        coalesce(int_score_factors.label, 'win probability') as factor_label,
        case
            when drift.verdict = 'insufficient_n'
                then 'it takes {{ var("min_segment_deals") }} open deals, and as many that were open at past month ends'
            when not int_score_factors.is_available then int_score_factors.reason
            when drift.verdict = 'not_computable' then 'there is one value of it, or one that is frequent enough'
        end as missing_reason
    from ml_score_drift as drift
    left join int_score_factors
        on drift.factor = int_score_factors.factor
),

final as (
    select
        labelled.factor,
        labelled.factor_label,
        int_as_of.as_of_date,
        labelled.reference_from_date,
        labelled.reference_until_date,
        labelled.open_deal_count,
        labelled.reference_deal_count,
        labelled.reference_observation_count,
        labelled.level_count,
        labelled.psi,
        labelled.no_drift_psi,
        labelled.no_drift_psi_upper,
        labelled.p_value,
        labelled.q_value,
        labelled.verdict,
        labelled.level as most_moved_level,
        labelled.open_share,
        labelled.reference_share,
        labelled.missing_reason,
        upper(substr(labelled.factor_label, 1, 1)) || substr(labelled.factor_label, 2)
        || case
            when labelled.missing_reason is not null then ': not judged, ' || labelled.missing_reason || '.'
            else
                ' ' || case when labelled.level = 'other' then '(rare values)' else labelled.level end || ': ' || {{ percent('labelled.open_share') }} || ' of ' || labelled.open_deal_count
                || ' open deals, ' || {{ percent('labelled.reference_share') }} || ' of those open at past month ends (' || labelled.reference_deal_count
                || ' deals). All values together differ by a PSI of ' || {{ three_decimals('labelled.psi') }} || ', where chance alone makes '
                || {{ three_decimals('labelled.no_drift_psi') }} || ' on average and seldom more than ' || {{ three_decimals('labelled.no_drift_psi_upper') }}
                || case labelled.verdict
                    when 'signal' then ': the open deals differ from those before them.'
                    else ': with this many factors compared, chance can explain it.'
                end
        end as finding
    from labelled
    cross join int_as_of
    where labelled.open_deal_count > 0
)

select * from final
