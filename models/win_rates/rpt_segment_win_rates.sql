with

int_segment_win_counts as (
    select * from {{ ref('int_segment_win_counts') }}
),

int_segment_win_rate_estimates as (
    select * from {{ ref('int_segment_win_rate_estimates') }}
),

int_segment_win_rate_tests as (
    select * from {{ ref('int_segment_win_rate_tests') }}
),

int_signal_states as (
    select * from {{ ref('int_signal_states') }}
    where claim_type = 'segment'
),

int_segment_medians as (
    select * from {{ ref('int_segment_medians') }}
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

rewritten as (
    select dimension from {{ ref('int_rewritten_dimensions') }}
    where is_left_out
),

bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where
        problem = 'no_close_date'
        and is_bending
),

joined as (
    select
        counts.segment_dimension,
        counts.segment_value,
        counts.period,
        counts.first_segment_value,
        counts.second_segment_value,
        int_periods.period_start_date,
        int_periods.period_end_date,
        int_periods.is_partial_period,
        counts.is_known_only_after_close,
        counts.closed_deal_count,
        counts.won_deal_count,
        counts.closed_deal_count - counts.won_deal_count as lost_deal_count,
        counts.won_deal_count * 1.0 / nullif(counts.closed_deal_count, 0) as win_rate,
        cast(sum(counts.closed_deal_count - counts.dated_deal_count) over (partition by counts.segment_dimension, counts.segment_value) as bigint)
            as no_close_date_deal_count,
        cast(counts.closed_amount as decimal(18, 2)) as closed_amount,
        cast(counts.won_amount as decimal(18, 2)) as won_amount,
        cast(counts.closed_amount - counts.won_amount as decimal(18, 2)) as lost_amount,
        case
            when counts.won_amount between 0 and counts.closed_amount then cast(counts.won_amount as double) / nullif(cast(counts.closed_amount as double), 0)
        end as amount_win_rate,
        counts.closed_deal_count - counts.valued_deal_count as no_amount_deal_count,
        counts.valued_won_deal_count * 1.0 / nullif(counts.valued_deal_count, 0) as valued_win_rate,
        cast(counts.closed_amount as double) / nullif(counts.valued_deal_count, 0) as mean_deal_amount,
        medians.median_deal_amount,
        counts.cycle_days * 1.0 / nullif(counts.dated_deal_count, 0) as mean_cycle_days,
        medians.median_cycle_days,
        counts.verdict_tier,
        estimates.* exclude (segment_dimension, segment_value, period), -- noqa: references.consistent, references.qualification
        tests.* exclude (segment_dimension, segment_value, period), -- noqa: references.consistent, references.qualification
        states.signal_state,
        states.signal_since_date
    from int_segment_win_counts as counts
    inner join int_periods
        on counts.period = int_periods.period
    left join int_segment_win_rate_estimates as estimates
        on
            counts.segment_dimension = estimates.segment_dimension
            and counts.segment_value = estimates.segment_value
            and counts.period = estimates.period
    left join int_segment_win_rate_tests as tests
        on
            counts.segment_dimension = tests.segment_dimension
            and counts.segment_value = tests.segment_value
            and counts.period = tests.period
    left join int_signal_states as states
        on counts.segment_dimension || '|' || counts.segment_value || '|' || counts.period = states.claim
    left join int_segment_medians as medians
        on
            counts.segment_dimension = medians.segment_dimension
            and counts.segment_value = medians.segment_value
            and counts.period = medians.period
),

final as (
    select
        joined.* exclude (valued_win_rate), -- noqa: references.consistent, references.qualification
        joined.amount_win_rate / nullif(joined.valued_win_rate, 0) as size_effect_ratio,
        joined.closed_deal_count * (joined.pooled_win_rate - joined.shrunk_win_rate) as excess_lost_deal_count,
        cast(joined.closed_amount * (joined.pooled_win_rate - joined.shrunk_win_rate) as decimal(18, 2)) as excess_lost_amount,
        {{ win_rate_finding('joined') }}
        || case
            when joined.period <> 'all' and joined.no_close_date_deal_count > 0 and exists (select 1 from bent)
                then ' Not in it: ' || joined.no_close_date_deal_count || ' closed deals without a close date, of which another share was won.'
            else ''
        end
        || case
            when joined.verdict = 'signal' and exists (
                select 1 from rewritten
                where rewritten.dimension in (split_part(joined.segment_dimension, ' x ', 1), split_part(joined.segment_dimension, ' x ', 2))
            ) then ' But its values may be filled in or changed when a deal closes: rpt_data_quality.'
            else ''
        end as finding
    from joined
)

select * from final
