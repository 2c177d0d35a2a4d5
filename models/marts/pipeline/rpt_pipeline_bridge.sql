-- noqa: disable=layout.indent
{% set dimensions = {
    'all': ("'all'", "'all'"),
    'sales_rep_id': ('sales_rep_id', 'other_sales_rep_id'),
    'expected_close_quarter': ('expected_close_date', 'other_expected_close_date'),
} %}
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
    {% if dimension == 'expected_close_quarter' -%}
    {% set value = "coalesce(cast(cast(" ~ dbt.date_trunc('quarter', value) ~ " as date) as " ~ dbt.type_string() ~ "), 'Unknown')" -%}
    {% set other = "coalesce(cast(cast(" ~ dbt.date_trunc('quarter', other) ~ " as date) as " ~ dbt.type_string() ~ "), 'Unknown')" -%}
    {% endif -%}
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

period_types as (
    select distinct period_type
    from int_bridge_periods
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
    select
        period_types.period_type,
        cast(case period_types.period_type
            {% for period_type in ['week', 'month', 'quarter'] -%}
            when '{{ period_type }}' then {{ dbt.date_trunc(period_type, 'daily.movement_date') }}
            {% endfor -%}
        end as date) as period_start_date,
        daily.segment_dimension,
        daily.segment_value,
        daily.movement as item,
        daily.amount,
        daily.deal_count
    from daily
    cross join period_types
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
