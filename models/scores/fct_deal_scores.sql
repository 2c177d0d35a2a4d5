-- noqa: disable=layout.indent
{% set parts = ['win', 'pace', 'activity', 'schedule'] %}

with

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
),

int_deal_close_shares as (
    select * from {{ ref('int_deal_close_shares') }}
),

int_unseen_values as (
    select * from {{ ref('int_unseen_values') }}
),

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

risk_categories as (
    select * from {{ ref('risk_categories') }}
),

weights as (
    select
        {% for part in parts -%}
            max(case when part = '{{ part }}' then weight end) as {{ part }}_weight{{ "," if not loop.last }}
        {% endfor %}
    from {{ ref('health_weights') }}
),

facts as (
    select
        int_deal_scores.*,
        {{ risk_score('int_deal_scores.win_probability') }} as risk_score,
        int_deal_close_shares.period_end_date,
        int_deal_scores.win_probability * int_deal_close_shares.won_in_time_share as win_by_period_end_probability,
        (1 - int_deal_scores.win_probability) * int_deal_close_shares.lost_in_time_share as lose_by_period_end_probability,
        int_unseen_values.fallback_reason,
        50 * int_deal_scores.win_probability / nullif(int_deal_scores.base_win_rate, 0) as unbounded_win_health,
        100 - 50.0 * fct_open_deals.days_in_stage / nullif(fct_open_deals.stall_threshold_days, 0) as unbounded_pace_health,
        100 - 50.0 * fct_open_deals.days_since_last_activity / {{ var('stall_inactivity_days') }} as unbounded_activity_health,
        case
            when fct_open_deals.is_overdue then 0
            when fct_open_deals.push_count is not null or fct_open_deals.expected_close_date is not null
                then 100.0 / (1 + coalesce(fct_open_deals.push_count, 0))
        end as unbounded_schedule_health
    from int_deal_scores
    inner join fct_open_deals
        on int_deal_scores.deal_id = fct_open_deals.deal_id
    left join int_deal_close_shares
        on int_deal_scores.deal_id = int_deal_close_shares.deal_id
    left join int_unseen_values
        on int_deal_scores.deal_id = int_unseen_values.deal_id
),

-- What is not known stays null: least() and greatest() pass over it.
scored as (
    select
        *,
        {% for part in parts -%}
        case when unbounded_{{ part }}_health is not null then cast(greatest(0, least(100, unbounded_{{ part }}_health)) as double) end as {{ part }}_health{{ "," if not loop.last }}
        {% endfor -%}
    from facts
),

final as (
    select
        scored.deal_id,
        scored.score_status,
        scored.win_probability,
        scored.log_odds as win_log_odds,
        scored.average_log_odds,
        scored.base_win_rate,
        scored.training_deal_count,
        scored.win_probability / nullif(scored.base_win_rate, 0) as lift,
        scored.risk_score,
        risk_categories.risk_category,
        scored.period_end_date,
        scored.win_by_period_end_probability,
        scored.lose_by_period_end_probability,
        1 - scored.win_by_period_end_probability - scored.lose_by_period_end_probability as slip_probability,
        cast(round(
            (
                {% for part in parts -%}
                coalesce(scored.{{ part }}_health * weights.{{ part }}_weight, 0){{ " +" if not loop.last }}
                {% endfor -%}
            )
            / nullif(
                {% for part in parts -%}
                case when scored.{{ part }}_health is null then 0 else weights.{{ part }}_weight end{{ " +" if not loop.last else ", 0" }}
                {% endfor -%}
            )
        ) as integer) as health_score,
        {% for part in parts -%}
            scored.{{ part }}_health,
            weights.{{ part }}_weight as {{ part }}_health_weight,
        {% endfor -%}
        {{ score_reason() }} as score_reason,
        scored.fallback_reason,
        scored.as_of_date
    from scored
    cross join weights
    left join risk_categories
        on scored.risk_score between risk_categories.least_score and risk_categories.most_score
)

select * from final
