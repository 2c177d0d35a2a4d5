-- noqa: disable=layout.indent
{% set segments = dimensions_of('segment_dimensions') %}
{% set dimensions = segments + ['closed_month'] %}

with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_deals as (
    select * replace (
        {% for segment in segments -%}
        coalesce({{ segment }}, 'Unknown') as {{ segment }},
        {% endfor -%}
        cast(closed_month as {{ dbt.type_string() }}) as closed_month
    )
    from {{ ref('int_deals') }}
    where not is_open
),

late_deals as (
    select distinct int_deal_stage_visits.deal_id
    from int_deal_stage_visits
    inner join int_stages
        on int_deal_stage_visits.stage = int_stages.stage
    where int_stages.is_late
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        count(*) as closed_deal_count,
        cast(sum(case when int_deals.is_won then 0 else 1 end) as bigint) as lost_deal_count
    from int_deals
    inner join late_deals
        on int_deals.deal_id = late_deals.deal_id
    group by {{ segment_sets([], dimensions) }}  -- noqa: PRS
)

select * from final
