{% set dimensions = var('rapv_offset_dimensions') %}

with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
    where not is_open
),

-- A visit is seen at the end of each of its days but the one it ends on. A left-truncated one has no known age.
visits as (
    select
        int_deal_stage_visits.stage,
        {{ dbt.datediff('int_deal_stage_visits.entered_at', 'int_deal_stage_visits.exited_at', 'day') }} as open_days,
        int_deals.cohort_month,
        int_deals.closed_month,
        int_deals.is_won,
        int_deals.cycle_days,
        {% for dimension in dimensions -%}
            int_deals.{{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from int_deal_stage_visits
    inner join int_deals
        on int_deal_stage_visits.deal_id = int_deals.deal_id
    where not int_deal_stage_visits.is_left_truncated
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        cohort_month,
        closed_month,
        is_won,
        stage,
        cast(open_days as bigint) as open_days,
        count(*) as visit_count,
        cast(sum(cycle_days) as bigint) as total_cycle_days
    from visits
    where open_days > 0
    group by {{ segment_sets(['cohort_month', 'closed_month', 'is_won', 'stage', 'open_days'], dimensions) }}
)

select * from final
