with

int_lost_reason_counts as (
    select * from {{ ref('int_lost_reason_counts') }}
),

int_lost_reason_tests as (
    select * from {{ ref('int_lost_reason_tests') }}
),

int_signal_states as (
    select * from {{ ref('int_signal_states') }}
    where claim_type = 'lost_reason'
),

newer as (
    select * from {{ ref('int_periods') }}
    where period = 'last_4_quarters'
),

older as (
    select * from {{ ref('int_periods') }}
    where period = 'prior_4_quarters'
),

joined as (
    select
        counts.lost_reason,
        newer.period_start_date,
        newer.period_end_date,
        older.period_start_date as previous_period_start_date,
        older.is_partial_period as is_previous_period_partial,
        counts.lost_deal_count,
        counts.all_lost_deal_count,
        counts.lost_deal_count * 1.0 / nullif(counts.all_lost_deal_count, 0) as lost_share,
        tests.lost_share_lower,
        tests.lost_share_upper,
        cast(counts.lost_amount as decimal(18, 2)) as lost_amount,
        cast(counts.lost_amount as double) / nullif(cast(counts.all_lost_amount as double), 0) as lost_amount_share,
        counts.previous_lost_deal_count,
        counts.previous_all_lost_deal_count,
        counts.previous_lost_deal_count * 1.0 / nullif(counts.previous_all_lost_deal_count, 0) as previous_lost_share,
        tests.previous_lost_share_lower,
        tests.previous_lost_share_upper,
        cast(counts.previous_lost_amount as decimal(18, 2)) as previous_lost_amount,
        counts.total_lost_deal_count,
        cast(counts.total_lost_amount as decimal(18, 2)) as total_lost_amount,
        counts.total_lost_deal_count * 1.0 / nullif(counts.total_all_lost_deal_count, 0) as total_lost_share,
        tests.is_in_reference,
        tests.reference_reasons,
        tests.reference_reason_count,
        tests.compared_lost_deal_count,
        tests.previous_compared_lost_deal_count,
        tests.share_change,
        tests.share_change_lower,
        tests.share_change_upper,
        tests.share_change_confidence_level,
        tests.shrunk_share_change,
        tests.detectable_share_change,
        tests.p_value,
        tests.adjusted_p_value,
        tests.verdict,
        states.signal_state,
        states.signal_since_date,
        tests.missing_reason
    from int_lost_reason_counts as counts
    inner join int_lost_reason_tests as tests
        on counts.lost_reason = tests.lost_reason
    left join int_signal_states as states
        on counts.lost_reason = states.claim
    cross join newer
    cross join older
),

final as (
    select
        *,
        {{ lost_reason_finding('joined') }} as finding
    from joined
)

select * from final
