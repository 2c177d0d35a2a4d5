with

signals as (
    select
        'segment' as claim_type,
        segment_dimension || '|' || segment_value || '|' || period as claim,
        vs_reference_difference as difference
    from {{ ref('int_segment_win_rate_tests') }}
    where verdict = 'signal'

    union all

    select
        'driver' as claim_type,
        factor || '|' || level || case when is_known_only_after_close then '|with cycle' else '' end as claim,
        vs_others_pp as difference
    from {{ ref('ml_win_rate_drivers') }}
    where verdict = 'signal' and half_year_start_date is null

    union all

    select
        'cycle_gap' as claim_type,
        segment_dimension || '|' || segment_value as claim,
        cycle_shift_days as difference
    from {{ ref('int_cycle_gap_tests') }}
    where verdict = 'signal'

    union all

    select
        'lost_reason' as claim_type,
        lost_reason as claim,
        share_change as difference
    from {{ ref('int_lost_reason_tests') }}
    where verdict = 'signal'

    union all

    select
        'rep' as claim_type,
        sales_rep_id as claim,
        vs_reference_difference as difference
    from {{ ref('ml_rep_win_rates') }}
    where verdict = 'signal'
),

final as (
    select
        claim_type,
        claim,
        case when difference < 0 then 'below' else 'above' end as direction
    from signals
)

select * from final
