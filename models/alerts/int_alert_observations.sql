-- noqa: disable=layout.indent
{% set inactive_days = dbt.datediff('coalesce(activities.last_date, open_deals.created_date)', 'open_deals.replay_date', 'day') %}
{% set days_overdue = dbt.datediff('coalesce(changes.expected_close_date, open_deals.expected_close_date)', 'open_deals.replay_date', 'day') %}

with

open_deals as (
    select * from {{ ref('int_alert_deals') }}
),

-- Amounts that won and lost deals have unequally often, or that are filled in at the close, tell the outcome. Before its first record nobody
-- knew that the input has activities.
known as (
    select
        capabilities.has_field_history,
        (
            select cast(min(happened.occurred_at) as date)
            from {{ ref('int_checked__activities') }} as happened
            where happened.reason_codes is null
        ) as activities_from_date,
        not exists (
            select 1
            from {{ ref('int_missing_by_outcome') }} as missing
            where
                missing.problem = 'no_amount'
                and missing.is_bending
        )
        and not exists (
            select 1
            from {{ ref('int_rewritten_dimensions') }} as rewritten
            where
                rewritten.is_left_out
                and rewritten.dimension = 'deal_size_band'
        ) as is_amount_known
    from {{ ref('int_capabilities') }} as capabilities
),

-- The stage until the next visit, between a close and a reopening too: on such a day nobody knew better.
visits as (
    select
        deal_id,
        stage,
        case when not is_left_truncated then cast(entered_at as date) end as entered_date,
        cast(coalesce(observed_from_at, entered_at) as date) as from_date,
        lead(cast(coalesce(observed_from_at, entered_at) as date)) over (partition by deal_id order by visit_number) as until_date
    from {{ ref('int_deal_stage_visits') }}
    where deal_id in (select open_deals.deal_id from open_deals)
),

activities as (
    select
        open_deals.deal_id,
        open_deals.replay_date,
        max(cast(happened.occurred_at as date)) as last_date
    from open_deals
    inner join {{ ref('int_checked__activities') }} as happened
        on
            open_deals.deal_id = happened.deal_id
            and open_deals.replay_date >= cast(happened.occurred_at as date)
    where happened.reason_codes is null
    group by open_deals.deal_id, open_deals.replay_date
),

final as (
    select
        open_deals.deal_id,
        open_deals.replay_date,
        open_deals.is_replayed,
        open_deals.is_won_in_time,
        case when known.is_amount_known then coalesce(amounts.known_amount, open_deals.deal_amount) end as deal_amount,
        visits.stage,
        cast({{ dbt.datediff('visits.entered_date', 'open_deals.replay_date', 'day') }} as integer) as days_in_stage,
        case when open_deals.replay_date >= known.activities_from_date then cast({{ inactive_days }} as integer) end as inactive_days,
        case when known.has_field_history then cast({{ days_overdue }} as integer) end as days_overdue
    from open_deals
    cross join known
    left join visits
        on
            open_deals.deal_id = visits.deal_id
            and open_deals.replay_date >= visits.from_date
            and open_deals.replay_date < coalesce(visits.until_date, cast('9999-12-31' as date))
    left join activities
        on
            open_deals.deal_id = activities.deal_id
            and open_deals.replay_date = activities.replay_date
    left join {{ ref('int_past_amounts') }} as amounts
        on
            open_deals.deal_id = amounts.deal_id
            and open_deals.replay_date >= amounts.known_from_date
            and open_deals.replay_date < amounts.changed_date
    left join {{ ref('int_past_field_values') }} as changes
        on
            open_deals.deal_id = changes.deal_id
            and changes.field = 'expected_close_date'
            and open_deals.replay_date >= changes.known_from_date
            and open_deals.replay_date < changes.changed_date
)

select * from final
