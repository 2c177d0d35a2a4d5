-- noqa: disable=layout.indent
with

-- The newest thousand regular dates train, the as-of date is scored, and past forecast dates tell what the score would have said of the
-- pipeline then: of the same sample of deals that became won, lost or are still open.
observed as (
    select
        *,
        case when is_open then 'score' else 'training' end as purpose,
        observed_until_date - {{ var('observation_interval_days') }}
        * cast(unnest(generate_series(newest_step, least(oldest_step, newest_step + 999))) as integer) as observation_date
    from {{ ref('int_score_deals') }}
    where
        is_open
        or is_training

    union all

    select
        deals.*,
        'backtest' as purpose,
        dates.forecast_date as observation_date
    from {{ ref('int_score_deals') }} as deals
    inner join {{ ref('int_forecast_dates') }} as dates
        on case
            when
                deals.is_sampled
                and not dates.is_as_of_date
                and deals.created_date <= dates.forecast_date
                and (deals.is_open or deals.closed_date > dates.forecast_date)
                then 1
            else 0
        end = 1
),

-- Before its first record nobody knew what an input would tell. Amounts that won and lost deals have unequally often tell the outcome, and so does
-- what is filled in or changed at the close.
first_records as (
    select
        (
            select cast(min(history.entered_at) as date)
            from {{ ref('int_stage_history') }} as history
            where history.reason_codes is null
        ) as stage_history_date,
        (
            select cast(min(history.changed_at) as date)
            from {{ ref('int_checked__field_history') }} as history
            where history.reason_codes is null
        ) as field_history_date,
        (
            select cast(min(activities.occurred_at) as date)
            from {{ ref('int_checked__activities') }} as activities
            where activities.reason_codes is null
        ) as activities_date,
        exists(
            select 1
            from {{ ref('int_missing_by_outcome') }} as missing
            where
                missing.problem = 'no_amount'
                and missing.is_bending
        ) as is_amount_bent,
        (
            select coalesce(list(rewritten.dimension), [])
            from {{ ref('int_rewritten_dimensions') }} as rewritten
            where rewritten.is_left_out
        ) as left_out
),

-- What the input can't know is null; what a deal of a known input doesn't have is 0, or counts from its creation.
final as (
    select
        observed.deal_id,
        observed.observation_date,
        observed.purpose,
        observed.is_won,
        observed.created_date,
        observed.closed_date,
        observed.penalty_group,
        case when 'sales_rep_id' not in records.left_out then coalesce(owners.sales_rep_id, observed.sales_rep_id) end as sales_rep_id,
        case when 'industry' not in records.left_out then observed.industry end as industry,
        case when 'region' not in records.left_out then observed.region end as region,
        case when 'product_type' not in records.left_out then observed.product_type end as product_type,
        case when 'lead_source' not in records.left_out then observed.lead_source end as lead_source,
        {% for each in own_dimensions(['creation', 'changes']) -%}
        case when '{{ each.dimension }}' not in records.left_out then observed.{{ each.dimension }} end as {{ each.dimension }},
        {% endfor -%}
        case when not records.is_amount_bent and 'deal_size_band' not in records.left_out then coalesce(amounts.known_amount, observed.deal_amount) end as deal_amount,
        cast({{ dbt.datediff('observed.created_date', 'observed.observation_date', 'day') }} as integer) as age_days,
        visits.stage,
        cast({{ dbt.datediff('visits.entered_date', 'observed.observation_date', 'day') }} as integer) as days_in_stage,
        case when observed.observation_date >= records.stage_history_date then coalesce(visits.regression_count, 0) end as regression_count,
        case when observed.observation_date >= records.field_history_date then coalesce(changes.push_count, 0) end as push_count,
        case when observed.observation_date >= records.field_history_date then coalesce(changes.amount_increase_count, 0) end as amount_increase_count,
        case when observed.observation_date >= records.field_history_date then coalesce(changes.amount_decrease_count, 0) end as amount_decrease_count,
        case
            when observed.observation_date >= records.activities_date
                then cast(coalesce(
                    {{ dbt.datediff('activities.from_date', 'observed.observation_date', 'day') }},
                    {{ dbt.datediff('observed.created_date', 'observed.observation_date', 'day') }}
                ) as integer)
        end as inactive_days,
        case
            when observed.observation_date >= records.field_history_date
                then {{ dbt.datediff(
                    'greatest(observed.created_date, visits.from_date, changes.from_date, activities.from_date)', 'observed.observation_date', 'day'
                ) }} >= {{ var('stale_days') }}
        end as is_stale
    from observed
    cross join first_records as records
    left join {{ ref('int_score_visits') }} as visits
        on
            observed.deal_id = visits.deal_id
            and observed.observation_date >= visits.from_date
            and observed.observation_date < visits.until_date
    left join {{ ref('int_deal_change_counts') }} as changes
        on
            observed.deal_id = changes.deal_id
            and observed.observation_date >= changes.from_date
            and observed.observation_date < changes.until_date
    left join {{ ref('int_active_days') }} as activities
        on
            observed.deal_id = activities.deal_id
            and observed.observation_date >= activities.from_date
            and observed.observation_date < activities.until_date
    left join {{ ref('int_past_amounts') }} as amounts
        on
            observed.deal_id = amounts.deal_id
            and observed.observation_date >= amounts.known_from_date
            and observed.observation_date < amounts.changed_date
    left join {{ ref('int_past_field_values') }} as owners
        on
            owners.field = 'sales_rep_id'
            and observed.deal_id = owners.deal_id
            and observed.observation_date >= owners.known_from_date
            and observed.observation_date < owners.changed_date
)

select * from final
