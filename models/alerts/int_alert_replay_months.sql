-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

-- A month that wasn't judged can't fire.
months as (
    {%- for metric, relation in [
        ('win_rate_gap_pp', ref('ml_win_rate_trend') ~ " where basis = 'closed_date' and not is_risk_adjusted and not is_partial_period"),
        ('created_volume_change_rate', ref('int_volume_changes') ~ " where metric = 'created_deals'"),
    ] %}
    {%- set about = alert_months()[metric] %}
    select
        '{{ metric }}' as metric,
        period_end_date,
        case when verdict in ('signal', 'no_signal') then {{ about.value }} end as value,
        {{ about.is_signal }} as is_signal,
        case
            when lead(period_start_date) over (order by period_start_date) = {{ dbt.dateadd('day', 1, 'period_end_date') }}
                then lead({{ about.level }}) over (order by period_start_date) < {{ about.expected }}
        end as has_happened
    from {{ relation }}
        and period_type = 'month'
    {{- "\n\n    union all\n" if not loop.last }}
    {%- endfor %}
),

final as (
    select
        months.metric,
        months.period_end_date,
        months.period_end_date > {{ dbt.dateadd('month', -12, 'int_as_of.as_of_date') }} as is_replayed,
        months.value,
        coalesce(months.is_signal, false) as is_signal,
        months.has_happened
    from months
    inner join int_as_of
        on months.period_end_date > {{ dbt.dateadd('month', -13, 'int_as_of.as_of_date') }}
)

select * from final
