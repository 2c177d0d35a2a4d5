-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}
{% set dimensions = (var('rapv_segment_dimensions') + var('rapv_offset_dimensions')) | unique | list %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_deal_stage_visits as (
    select * from {{ ref('int_deal_stage_visits') }}
),

visits as (
    select
        deal_id,
        visit_number,
        spell_number,
        stage,
        is_left_truncated,
        cast(entered_at as date) as entered_date,
        cast(observed_from_at as date) as observed_from_date,
        cast(exited_at as date) as exited_date
    from int_deal_stage_visits
),

reopened_deals as (
    select distinct deal_id
    from visits
    where spell_number > 1
),

reopened_visits as (
    select
        visits.deal_id,
        visits.exited_date,
        lead(visits.entered_date) over (partition by visits.deal_id order by visits.visit_number) as next_entered_date
    from visits
    inner join reopened_deals
        on visits.deal_id = reopened_deals.deal_id
),

-- The stage of a left-truncated visit is not known before the history begins, nor is there one between a close and a reopening.
stretches as (
    select
        deal_id,
        stage,
        is_left_truncated,
        entered_date,
        coalesce(observed_from_date, entered_date) as from_date,
        exited_date as until_date
    from visits

    union all

    select
        deal_id,
        null as stage,
        true as is_left_truncated,
        null as entered_date,
        entered_date as from_date,
        observed_from_date as until_date
    from visits
    where is_left_truncated

    union all

    select
        deal_id,
        null as stage,
        false as is_left_truncated,
        null as entered_date,
        exited_date as from_date,
        next_entered_date as until_date
    from reopened_visits
    where exited_date < next_entered_date
),

final as (
    select
        int_deals.deal_id,
        stretches.stage,
        stretches.entered_date,
        coalesce(stretches.is_left_truncated, false) as is_left_truncated,
        coalesce(stretches.from_date, int_deals.created_date) as from_date,
        coalesce(stretches.until_date, int_deals.closed_date, cast('9999-12-31' as date)) as until_date,
        int_deals.created_date,
        int_deals.cohort_month,
        int_deals.closed_month,
        int_deals.cycle_days,
        int_deals.is_open,
        int_deals.is_won,
        int_deals.deal_amount,
        int_deals.stage_probability,
        {% for dimension in dimensions -%}
            int_deals.{{ dimension }}{{ "," if not loop.last }}
        {% endfor %}
    from int_deals
    left join stretches
        on int_deals.deal_id = stretches.deal_id
)

select * from final
