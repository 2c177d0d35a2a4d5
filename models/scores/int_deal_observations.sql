-- noqa: disable=layout.indent
{% set stretches = {'visits': 'int_score_visits', 'changes': 'int_deal_change_counts', 'activities': 'int_active_days'} %}
{% set recorded = {
    'stage_history': ('int_stage_history', 'entered_at'),
    'field_history': ('int_checked__field_history', 'changed_at'),
    'activities': ('int_checked__activities', 'occurred_at'),
} %}

with

int_observation_dates as (
    select * from {{ ref('int_observation_dates') }}
),

first_records as (
    select
        {% for input, (relation, column) in recorded.items() -%}
        (
            select cast(min(records.{{ column }}) as date)
            from {{ ref(relation) }} as records
            where records.reason_codes is null
        ) as {{ input }}_date{{ "," if not loop.last }}
        {% endfor -%}
),

-- Before its first record nobody knew what an input would tell.
dated as (
    select
        int_observation_dates.*,
        {% for input in recorded -%}
        coalesce(int_observation_dates.observation_date >= first_records.{{ input }}_date, false) as has_{{ input }}{{ "," if not loop.last }}
        {% endfor -%}
    from int_observation_dates
    cross join first_records
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
known as (
    select
        dated.*,
        coalesce(owners.sales_rep_id, dated.sales_rep_id) as known_sales_rep_id,
        coalesce(amounts.known_amount, dated.deal_amount) as known_amount,
        visits.stage,
        visits.entered_date,
        case when dated.has_stage_history then coalesce(visits.regression_count, 0) end as regression_count,
        {% for column in ['push_count', 'amount_increase_count', 'amount_decrease_count'] -%}
        case when dated.has_field_history then coalesce(changes.{{ column }}, 0) end as {{ column }},
        {% endfor -%}
        case when dated.has_activities then coalesce(activities.from_date, dated.created_date) end as last_active_date,
        greatest(dated.created_date, visits.from_date, changes.from_date, activities.from_date) as last_updated_date
    from dated
    {% for alias, relation in stretches.items() -%}
    left join {{ ref(relation) }} as {{ alias }}
        on
            dated.deal_id = {{ alias }}.deal_id
            and dated.observation_date >= {{ alias }}.from_date
            and dated.observation_date < {{ alias }}.until_date
    {% endfor -%}
    left join {{ ref('int_past_amounts') }} as amounts
        on
            dated.deal_id = amounts.deal_id
            and dated.observation_date >= amounts.known_from_date
            and dated.observation_date < amounts.changed_date
    left join {{ ref('int_past_field_values') }} as owners
        on
            owners.field = 'sales_rep_id'
            and dated.deal_id = owners.deal_id
            and dated.observation_date >= owners.known_from_date
            and dated.observation_date < owners.changed_date
),

final as (
    select
        deal_id,
        observation_date,
        purpose,
        is_won,
        created_date,
        closed_date,
        penalty_group,
        known_sales_rep_id as sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        known_amount as deal_amount,
        cast({{ dbt.datediff('created_date', 'observation_date', 'day') }} as integer) as age_days,
        stage,
        cast({{ dbt.datediff('entered_date', 'observation_date', 'day') }} as integer) as days_in_stage,
        regression_count,
        push_count,
        amount_increase_count,
        amount_decrease_count,
        cast({{ dbt.datediff('last_active_date', 'observation_date', 'day') }} as integer) as inactive_days,
        case
            when has_field_history then {{ dbt.datediff('last_updated_date', 'observation_date', 'day') }} >= {{ var('stale_days') }}
        end as is_stale
    from known
)

select * from final
