-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}
{% set dimensions = (['sales_rep_id'] + var('rapv_segment_dimensions') + dimensions_of('rapv_offset_dimensions')) | unique | list %}

with

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

-- Two readings of the visits, not one that is shared: that would be written to memory whole.
int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

int_deal_gaps as (
    select * from {{ ref('int_deal_gaps') }}
),

left_truncated_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
    where is_left_truncated
),

-- The stage of a left-truncated visit is not known before the history begins. Between a close and a reopening a deal keeps its stage: on
-- such a day nobody knew better, but these days train nothing.
stretches as (
    select
        deal_id,
        stage,
        is_left_truncated,
        cast(entered_at as date) as entered_date,
        cast(coalesce(observed_from_at, entered_at) as date) as from_date,
        cast(exited_at as date) as until_date,
        false as is_gap
    from int_deal_stage_visits

    union all

    select
        deal_id,
        null as stage,
        true as is_left_truncated,
        null as entered_date,
        cast(entered_at as date) as from_date,
        cast(observed_from_at as date) as until_date,
        false as is_gap
    from left_truncated_visits

    union all

    select
        deal_id,
        stage,
        is_left_truncated,
        entered_date,
        from_date,
        until_date,
        true as is_gap
    from int_deal_gaps
),

final as (
    select
        int_dated_deals.deal_id,
        stretches.stage,
        stretches.entered_date,
        coalesce(stretches.is_left_truncated, false) as is_left_truncated,
        coalesce(stretches.is_gap, false) as is_gap,
        coalesce(stretches.from_date, int_dated_deals.created_date) as from_date,
        coalesce(stretches.until_date, int_dated_deals.closed_date, cast('9999-12-31' as date)) as until_date,
        int_dated_deals.created_date,
        int_dated_deals.cohort_month,
        int_dated_deals.closed_month,
        int_dated_deals.cycle_days,
        int_dated_deals.is_open,
        int_dated_deals.is_won,
        int_dated_deals.deal_amount,
        int_dated_deals.stage_probability,
        {% for dimension in dimensions -%}
            coalesce(int_dated_deals.{{ dimension }}, 'Unknown') as {{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from int_dated_deals
    left join stretches
        on int_dated_deals.deal_id = stretches.deal_id
)

select * from final
