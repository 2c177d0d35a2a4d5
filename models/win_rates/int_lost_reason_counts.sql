with

int_closing_fact_counts as (
    select * from {{ ref('int_closing_fact_counts') }}
    where segment_dimension = 'lost_reason'
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

counts as (
    select
        int_closing_fact_counts.segment_value as lost_reason,
        cast(sum(case when int_periods.period = 'last_4_quarters' then int_closing_fact_counts.deal_count else 0 end) as bigint) as lost_deal_count,
        cast(sum(case when int_periods.period = 'last_4_quarters' then int_closing_fact_counts.deal_amount else 0 end) as decimal(38, 2)) as lost_amount,
        cast(sum(case when int_periods.period = 'prior_4_quarters' then int_closing_fact_counts.deal_count else 0 end) as bigint) as previous_lost_deal_count,
        cast(sum(case when int_periods.period = 'prior_4_quarters' then int_closing_fact_counts.deal_amount else 0 end) as decimal(38, 2)) as previous_lost_amount,
        cast(sum(case when int_periods.period = 'all' then int_closing_fact_counts.deal_count else 0 end) as bigint) as total_lost_deal_count,
        cast(sum(case when int_periods.period = 'all' then int_closing_fact_counts.deal_amount else 0 end) as decimal(38, 2)) as total_lost_amount
    from int_closing_fact_counts
    inner join int_periods
        on
            int_periods.period = 'all'
            or (
                int_closing_fact_counts.closed_month >= cast({{ dbt.date_trunc('month', 'int_periods.period_start_date') }} as date)
                and int_closing_fact_counts.closed_month <= int_periods.period_end_date
            )
    group by int_closing_fact_counts.segment_value
),

final as (
    select
        *,
        cast(sum(lost_deal_count) over () as bigint) as all_lost_deal_count,
        cast(sum(lost_amount) over () as decimal(38, 2)) as all_lost_amount,
        cast(sum(previous_lost_deal_count) over () as bigint) as previous_all_lost_deal_count,
        cast(sum(previous_lost_amount) over () as decimal(38, 2)) as previous_all_lost_amount,
        cast(sum(total_lost_deal_count) over () as bigint) as total_all_lost_deal_count,
        cast(sum(total_lost_amount) over () as decimal(38, 2)) as total_all_lost_amount
    from counts
)

select * from final
