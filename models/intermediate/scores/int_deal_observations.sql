-- noqa: disable=layout.indent
{% set stretches = {'visits': 'int_score_visits', 'changes': 'int_deal_change_counts', 'activities': 'int_active_days'} %}
{% set replaced = {'amounts': 'int_amount_changes', 'owners': 'int_owner_changes'} %}

with

int_score_deals as (
    select * from {{ ref('int_score_deals') }}
),

int_forecast_dates as (
    select * from {{ ref('int_forecast_dates') }}
),

int_data_levels as (
    select * from {{ ref('int_data_levels') }}
),

levels as (
    select
        {% for capability in ['stage_history', 'field_history', 'activities'] -%}
        max(case when capability = '{{ capability }}' and is_available then 1 else 0 end) = 1 as has_{{ capability }}{{ "," if not loop.last }}
        {% endfor -%}
    from int_data_levels
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit{{ " union all" if not loop.last }}
    {% endfor %}
),

-- The newest thousand observations of a deal.
offsets as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit as step_offset
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
),

-- Regular dates train, the as-of date is scored, and past forecast dates tell what the score would have said of the pipeline then.
dated as (
    select
        int_score_deals.*,
        case when int_score_deals.is_open then 'score' else 'training' end as purpose,
        cast({{ dbt.dateadd(
            'day', '-' ~ var('observation_interval_days') ~ ' * (int_score_deals.newest_step + offsets.step_offset)', 'int_score_deals.as_of_date'
        ) }} as date) as observation_date
    from int_score_deals
    inner join offsets
        on int_score_deals.oldest_step - int_score_deals.newest_step >= offsets.step_offset
    where
        int_score_deals.is_open
        or int_score_deals.is_training

    union all

    select
        int_score_deals.*,
        'backtest' as purpose,
        int_forecast_dates.forecast_date as observation_date
    from int_score_deals
    inner join int_forecast_dates
        on case
            when
                not int_forecast_dates.is_as_of_date
                and int_score_deals.created_date <= int_forecast_dates.forecast_date
                and (int_score_deals.is_open or int_score_deals.closed_date > int_forecast_dates.forecast_date)
                then 1
            else 0
        end = 1
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
known as (
    select
        dated.*,
        levels.has_field_history,
        coalesce(owners.sales_rep_id, dated.sales_rep_id) as known_sales_rep_id,
        coalesce(amounts.deal_amount, dated.deal_amount) as known_amount,
        visits.stage,
        visits.entered_date,
        case when levels.has_stage_history then coalesce(visits.regression_count, 0) end as regression_count,
        {% for column in ['push_count', 'amount_increase_count', 'amount_decrease_count'] -%}
        case when levels.has_field_history then coalesce(changes.{{ column }}, 0) end as {{ column }},
        {% endfor -%}
        case when levels.has_activities then coalesce(activities.from_date, dated.created_date) end as last_active_date,
        greatest(dated.created_date, visits.from_date, changes.from_date, activities.from_date) as last_updated_date
    from dated
    cross join levels
    {% for alias, relation in stretches.items() -%}
    left join {{ ref(relation) }} as {{ alias }}
        on
            dated.deal_id = {{ alias }}.deal_id
            and dated.observation_date >= {{ alias }}.from_date
            and dated.observation_date < {{ alias }}.until_date
    {% endfor -%}
    {% for alias, relation in replaced.items() -%}
    left join {{ ref(relation) }} as {{ alias }}
        on
            dated.deal_id = {{ alias }}.deal_id
            and dated.observation_date >= {{ alias }}.known_from_date
            and dated.observation_date < {{ alias }}.changed_date
    {% endfor -%}
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
