{% set dimensions = dimensions_of('segment_dimensions') %}

with

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
    where not is_reentry
),

int_deals as (
    select *{{ unknown_for_blank(dimensions) }} from {{ ref('int_deals') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

-- The first visit of a stage by a deal: from there to the close, or to the as-of date.
reached as (
    select
        int_deals.*,
        int_deal_stage_visits.stage,
        {{ dbt.datediff(
            'int_deal_stage_visits.entered_at', 'coalesce(int_deals.closed_date, int_deals.as_of_date)', 'day'
        ) }} as days_to_close,  -- noqa: layout.long_lines
        coalesce(
            {{ dbt.datediff('int_deal_stage_visits.entered_at', 'int_deal_stage_visits.observed_from_at', 'day') }}, 0
        ) as observed_after_days,
        int_deal_stage_visits.is_furthest
    from int_deal_stage_visits
    inner join int_deals
        on int_deal_stage_visits.deal_id = int_deals.deal_id
),

counted as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        stage,
        cast(days_to_close as integer) as days_to_close,
        cast(observed_after_days as integer) as observed_after_days,
        is_furthest,
        outcome,
        count(*) as deal_count
    from reached
    group by {{ segment_sets(['stage', 'days_to_close', 'observed_after_days', 'is_furthest', 'outcome'], dimensions) }}  -- noqa: PRS
),

final as (
    select
        counted.*,
        int_stages.pipeline_text
    from counted
    inner join int_stages
        on counted.stage = int_stages.stage
)

select * from final
