-- noqa: disable=layout.indent
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
        {% for period, prefix in [('last_4_quarters', ''), ('prior_4_quarters', 'previous_'), ('all', 'total_')] -%}
        cast(sum(case when int_periods.period = '{{ period }}' then int_closing_fact_counts.deal_count else 0 end) as bigint) as {{ prefix }}lost_deal_count,
        cast(sum(case when int_periods.period = '{{ period }}' then int_closing_fact_counts.deal_amount else 0 end) as decimal(38, 2)) as {{ prefix }}lost_amount{{ "," if not loop.last }}
        {% endfor %}
    from int_closing_fact_counts
    inner join int_periods
        on
            int_closing_fact_counts.closed_month >= cast({{ dbt.date_trunc('month', 'int_periods.period_start_date') }} as date)
            and int_closing_fact_counts.closed_month <= int_periods.period_end_date
    group by int_closing_fact_counts.segment_value
),

final as (
    select
        *,
        {% for prefix in ['', 'previous_', 'total_'] -%}
        cast(sum({{ prefix }}lost_deal_count) over () as bigint) as {{ prefix }}all_lost_deal_count,
        cast(sum({{ prefix }}lost_amount) over () as decimal(38, 2)) as {{ prefix }}all_lost_amount{{ "," if not loop.last }}
        {% endfor %}
    from counts
)

select * from final
