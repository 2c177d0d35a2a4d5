{% set few_won = "int_segment_cycles.won_deal_count < " ~ var('min_segment_deals') %}
{% set few_lost = "int_segment_cycles.lost_deal_count < " ~ var('min_segment_deals') %}

with

int_segment_cycles as (
    select * from {{ ref('int_segment_cycles') }}
),

int_cycle_gap_tests as (
    select * from {{ ref('int_cycle_gap_tests') }}
),

joined as (
    select
        int_segment_cycles.segment_dimension,
        int_segment_cycles.segment_value,
        int_segment_cycles.closed_deal_count,
        int_segment_cycles.excluded_deal_count,
        int_segment_cycles.won_deal_count,
        int_segment_cycles.lost_deal_count,
        int_segment_cycles.median_won_cycle_days,
        int_segment_cycles.median_lost_cycle_days,
        case
            when not ({{ few_won }} or {{ few_lost }})
                then int_segment_cycles.median_won_cycle_days - int_segment_cycles.median_lost_cycle_days
        end as cycle_outcome_gap_days,
        int_segment_cycles.mean_won_cycle_days,
        int_segment_cycles.mean_lost_cycle_days,
        int_cycle_gap_tests.cycle_shift_days,
        int_cycle_gap_tests.cycle_shift_lower_days,
        int_cycle_gap_tests.cycle_shift_upper_days,
        int_cycle_gap_tests.mann_whitney_p_value,
        int_cycle_gap_tests.segment_q_value,
        int_cycle_gap_tests.segment_q_threshold,
        int_cycle_gap_tests.family_q_value,
        coalesce(int_cycle_gap_tests.verdict, 'insufficient_n') as verdict,
        case
            when {{ few_won }} and {{ few_lost }} then 'too few won and too few lost deals'
            when {{ few_won }} then 'too few won deals'
            when {{ few_lost }} then 'too few lost deals'
        end as missing_reason
    from int_segment_cycles
    left join int_cycle_gap_tests
        on
            int_segment_cycles.segment_dimension = int_cycle_gap_tests.segment_dimension
            and int_segment_cycles.segment_value = int_cycle_gap_tests.segment_value
),

final as (
    select
        *,
        {{ cycle_gap_finding() }} as finding
    from joined
)

select * from final
