with

int_segment_win_rate_tests as (
    select * from {{ ref('int_segment_win_rate_tests') }}
),

final as (
    select
        'segment' as claim_type,
        segment_dimension || '|' || segment_value || '|' || period as claim,
        case when vs_reference_difference < 0 then 'below' else 'above' end as direction
    from int_segment_win_rate_tests
    where verdict = 'signal'
)

select * from final
