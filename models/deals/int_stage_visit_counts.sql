-- noqa: disable=layout.indent
{% set dimensions = dimensions_of('segment_dimensions') %}

with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

visits as (
    select
        int_deal_stage_visits.stage,
        int_deal_stage_visits.days_in_stage,
        coalesce(
            {{ dbt.datediff('int_deal_stage_visits.entered_at', 'int_deal_stage_visits.observed_from_at', 'day') }}, 0
        ) as observed_after_days,
        not int_deal_stage_visits.is_censored as is_completed,
        int_deals.is_won,
        {% for dimension in dimensions -%}
            coalesce(int_deals.{{ dimension }}, 'Unknown') as {{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from int_deal_stage_visits
    inner join int_deals
        on int_deal_stage_visits.deal_id = int_deals.deal_id
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        stage,
        days_in_stage,
        cast(observed_after_days as integer) as observed_after_days,
        is_completed,
        is_won,
        count(*) as visit_count
    from visits
    group by {{ segment_sets(['stage', 'days_in_stage', 'observed_after_days', 'is_completed', 'is_won'], dimensions) }}  -- noqa: PRS
)

select * from final
