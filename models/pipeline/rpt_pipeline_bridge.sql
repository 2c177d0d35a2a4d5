-- noqa: disable=layout.indent
{% set dimensions = {
    'all': ("'all'", "'all'"),
    'sales_rep_id': ('sales_rep_id', 'other_sales_rep_id'),
    'expected_close_quarter': (period_segment('quarter', 'expected_close_date'), period_segment('quarter', 'other_expected_close_date')),
} %}
{% set period_types = ['week', 'month', 'quarter'] %}
{% set added = ['new', 'reopened', 'moved_in', 'increased'] %}
{% set subtracted = ['decreased', 'moved_out', 'won', 'lost', 'removed'] %}

with

int_bridge_periods as (
    select * from {{ ref('int_bridge_periods') }}
),

int_pipeline_balances as (
    select * from {{ ref('int_pipeline_balances') }}
),

-- A deal that moves from a segment to the same one doesn't move.
daily as (
    {% for dimension, (value, other) in dimensions.items() -%}
    select
        '{{ dimension }}' as segment_dimension,
        {{ value }} as segment_value,
        movement_date,
        movement,
        sum(abs(movement_amount)) as amount,
        count(*) as deal_count
    from {{ ref('fct_pipeline_movements') }}
    where
        movement not in ('moved_in', 'moved_out')
        or {{ value }} <> {{ other }}
    group by 2, 3, 4
    {{- "\n\n    union all\n" if not loop.last }}
    {% endfor %}
),

items as (
    {% for item in ['opening', 'closing'] -%}
    select
        int_bridge_periods.period_type,
        int_bridge_periods.period_start_date,
        int_pipeline_balances.segment_dimension,
        int_pipeline_balances.segment_value,
        '{{ item }}' as item,
        int_pipeline_balances.amount,
        int_pipeline_balances.deal_count
    from int_bridge_periods
    inner join int_pipeline_balances
        on int_bridge_periods.{{ item }}_date = int_pipeline_balances.balance_date

    union all

    {% endfor -%}
    {% for period_type in period_types -%}
    select
        '{{ period_type }}' as period_type,
        cast({{ dbt.date_trunc(period_type, 'movement_date') }} as date) as period_start_date,
        segment_dimension,
        segment_value,
        movement as item,
        amount,
        deal_count
    from daily
    {{- "\n\n    union all\n" if not loop.last }}
    {% endfor %}
),

summed as (
    select
        period_type,
        period_start_date,
        segment_dimension,
        segment_value,
        {% for item in ['opening', 'closing'] + added + subtracted -%}
        cast(sum(case when item = '{{ item }}' then amount else 0 end) as decimal(18, 2)) as {{ item }}_amount,
        cast(sum(case when item = '{{ item }}' then deal_count else 0 end) as bigint) as {{ item }}_deal_count{{ "," if not loop.last }}
        {% endfor %}
    from items
    group by period_type, period_start_date, segment_dimension, segment_value
),

final as (
    select
        int_bridge_periods.period_type,
        int_bridge_periods.period_start_date,
        int_bridge_periods.period_end_date,
        int_bridge_periods.is_partial_period,
        summed.segment_dimension,
        summed.segment_value,
        {% for item in ['opening'] + added + subtracted + ['closing'] -%}
        summed.{{ item }}_amount,
        {% endfor -%}
        cast(
            summed.opening_amount {% for item in added %} + summed.{{ item }}_amount{% endfor %}
            {%- for item in subtracted %} - summed.{{ item }}_amount{% endfor %} - summed.closing_amount as decimal(18, 2)
        ) as residual_amount,
        {% for item in ['opening'] + added + subtracted + ['closing'] -%}
        summed.{{ item }}_deal_count{{ "," if not loop.last }}
        {% endfor %}
    from summed
    inner join int_bridge_periods
        on
            summed.period_type = int_bridge_periods.period_type
            and summed.period_start_date = int_bridge_periods.period_start_date
)

select * from final
