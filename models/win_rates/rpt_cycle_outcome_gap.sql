with

int_cycle_day_counts as (
    select * from {{ ref('int_cycle_day_counts') }}
),

int_cycle_gap_tests as (
    select * from {{ ref('int_cycle_gap_tests') }}
),

int_signal_states as (
    select * from {{ ref('int_signal_states') }}
    where claim_type = 'cycle_gap'
),

counts as (
    select
        segment_dimension,
        segment_value,
        case when not is_included then 'excluded' when is_won then 'won' else 'lost' end as side,
        cycle_days,
        deal_count,
        {{ median_of_counts('cycle_days', 'deal_count', ['segment_dimension', 'segment_value', 'is_included', 'is_won']) }} as middle_cycle_days
    from int_cycle_day_counts

    union all

    -- All deals have a row even when none has closed.
    select
        'all' as segment_dimension,
        'all' as segment_value,
        'excluded' as side,
        0 as cycle_days,
        0 as deal_count,
        null as middle_cycle_days
),

segments as (
    select
        segment_dimension,
        segment_value,
        cast(sum(deal_count) as bigint) as closed_deal_count,
        cast(sum(case when side = 'excluded' then deal_count else 0 end) as bigint) as excluded_deal_count,
        cast(sum(case when cycle_days is null then deal_count else 0 end) as bigint) as no_close_date_deal_count,
        cast(sum(case when side = 'won' then deal_count else 0 end) as bigint) as won_deal_count,
        cast(sum(case when side = 'lost' then deal_count else 0 end) as bigint) as lost_deal_count,
        avg(case when side = 'won' then middle_cycle_days end) as median_won_cycle_days,
        avg(case when side = 'lost' then middle_cycle_days end) as median_lost_cycle_days,
        sum(case when side = 'won' then deal_count * cycle_days end) as won_cycle_days,
        sum(case when side = 'lost' then deal_count * cycle_days end) as lost_cycle_days
    from counts
    group by segment_dimension, segment_value
),

marked as (
    select
        *,
        won_deal_count < {{ var('min_segment_deals') }} as has_few_won,
        lost_deal_count < {{ var('min_segment_deals') }} as has_few_lost
    from segments
),

joined as (
    select
        segments.segment_dimension,
        segments.segment_value,
        segments.closed_deal_count,
        segments.excluded_deal_count,
        segments.no_close_date_deal_count,
        segments.won_deal_count,
        segments.lost_deal_count,
        segments.median_won_cycle_days,
        segments.median_lost_cycle_days,
        case
            when not (segments.has_few_won or segments.has_few_lost) then segments.median_won_cycle_days - segments.median_lost_cycle_days
        end as cycle_outcome_gap_days,
        segments.won_cycle_days * 1.0 / nullif(segments.won_deal_count, 0) as mean_won_cycle_days,
        segments.lost_cycle_days * 1.0 / nullif(segments.lost_deal_count, 0) as mean_lost_cycle_days,
        tests.cycle_shift_days,
        tests.cycle_shift_lower_days,
        tests.cycle_shift_upper_days,
        tests.cycle_shift_confidence_level,
        tests.mann_whitney_p_value,
        tests.adjusted_p_value,
        tests.p_value_threshold,
        tests.family_q_value,
        tests.design_effect,
        coalesce(tests.verdict, 'insufficient_n') as verdict,
        states.signal_state,
        states.signal_since_date,
        case
            when segments.has_few_won and segments.has_few_lost then 'too few won and too few lost deals'
            when segments.has_few_won then 'too few won deals'
            when segments.has_few_lost then 'too few lost deals'
            else tests.missing_reason
        end as missing_reason
    from marked as segments
    left join int_cycle_gap_tests as tests
        on
            segments.segment_dimension = tests.segment_dimension
            and segments.segment_value = tests.segment_value
    left join int_signal_states as states
        on segments.segment_dimension || '|' || segments.segment_value = states.claim
),

final as (
    select
        *,
        {{ cycle_gap_finding('joined') }} as finding
    from joined
)

select * from final
