with

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

-- A period is complete when it begins after the first deal was created and ends on the as-of day or before.
bounds as (
    select
        first_created_date,
        {{ dbt.dateadd('day', 1, 'as_of_date') }} as end_date
    from int_deal_bounds
),

months as (
    select
        segment_dimension,
        segment_value,
        closed_month,
        sum(deal_count) as closed_deal_count,
        sum(case when is_won then deal_count else 0 end) as won_deal_count
    from int_closed_deal_counts
    group by
        segment_dimension,
        segment_value,
        closed_month
),

periods as (
    {% for period_type, month_count in [('month', 1), ('quarter', 3), ('half_year', 6)] -%}
    {% if not loop.first %}

    union all

    {% endif -%}
    select
        '{{ period_type }}' as period_type,
        {{ month_count }} as month_count,
        cast({{ dbt.dateadd('month', '(-((extract(month from closed_month) - 1) % ' ~ month_count ~ '))', 'closed_month') }} as date) as period_start_date,
        segment_dimension,
        segment_value,
        closed_deal_count,
        won_deal_count
    from months
    {%- endfor %}
),

final as (
    select
        periods.period_type,
        periods.period_start_date,
        cast({{ dbt.dateadd('month', '(-periods.month_count)', 'periods.period_start_date') }} as date) as previous_period_start_date,
        cast({{ dbt.dateadd('month', 'periods.month_count', 'periods.period_start_date') }} as date) as next_period_start_date,
        periods.segment_dimension,
        periods.segment_value,
        cast(sum(periods.closed_deal_count) as bigint) as closed_deal_count,
        cast(sum(periods.won_deal_count) as bigint) as won_deal_count
    from periods
    inner join bounds
        on
            periods.period_start_date > bounds.first_created_date
            and {{ dbt.dateadd('month', 'periods.month_count', 'periods.period_start_date') }} <= bounds.end_date
    group by
        periods.period_type,
        periods.month_count,
        periods.period_start_date,
        periods.segment_dimension,
        periods.segment_value
)

select * from final
