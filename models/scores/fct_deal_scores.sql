-- The probability is worked out in int_deal_scores: this adds what it means for the deal's risk, its health and the quarter.
with

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
),

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

weights as (
    select
        max(case when part = 'win' then weight end) as win_health_weight,
        max(case when part = 'pace' then weight end) as pace_health_weight,
        max(case when part = 'activity' then weight end) as activity_health_weight,
        max(case when part = 'schedule' then weight end) as schedule_health_weight
    from {{ ref('health_weights') }}
),

bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where
        problem = 'no_close_date'
        and is_bending
),

unseen_values as (
    select
        deal_id,
        method,
        'too few deals closed with ' || {{ dbt.listagg("factor || ' ' || level", "', '", "order by factor || ' ' || level") }}
        || ': scored as the average deal there' as fallback_reason
    from {{ ref('int_score_contributions') }}
    where
        purpose = 'score'
        and is_unseen
    group by deal_id, method
),

-- What is not known stays null.
scored as (
    select
        int_deal_scores.*,
        {{ risk_score('int_deal_scores.win_probability') }} as risk_score,
        close_shares.period_end_date,
        int_deal_scores.win_probability * close_shares.won_in_time_share as win_by_period_end_probability,
        (1 - int_deal_scores.win_probability) * close_shares.lost_in_time_share as lose_by_period_end_probability,
        unseen_values.fallback_reason,
        {{ zero_to_hundred('50 * int_deal_scores.win_probability / nullif(int_deal_scores.base_win_rate, 0)') }} as win_health,
        {{ zero_to_hundred('100 - 50.0 * fct_open_deals.days_in_stage / nullif(fct_open_deals.stall_threshold_days, 0)') }} as pace_health,
        {{ zero_to_hundred('100 - 50.0 * fct_open_deals.days_since_last_activity / ' ~ var('stall_inactivity_days')) }} as activity_health,
        cast(case
            when fct_open_deals.is_overdue then 0
            when fct_open_deals.push_count is not null or fct_open_deals.expected_close_date is not null
                then 100.0 / (1 + coalesce(fct_open_deals.push_count, 0))
        end as double) as schedule_health,
        weights.*
    from int_deal_scores
    cross join weights
    inner join fct_open_deals
        on int_deal_scores.deal_id = fct_open_deals.deal_id
    left join {{ ref('int_deal_close_shares') }} as close_shares
        on int_deal_scores.deal_id = close_shares.deal_id
    left join unseen_values
        on
            int_deal_scores.deal_id = unseen_values.deal_id
            and int_deal_scores.method = unseen_values.method
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
                coalesce(scored.win_health * scored.win_health_weight, 0)
                + coalesce(scored.pace_health * scored.pace_health_weight, 0)
                + coalesce(scored.activity_health * scored.activity_health_weight, 0)
                + coalesce(scored.schedule_health * scored.schedule_health_weight, 0)
            ) / nullif(
                case when scored.win_health is null then 0 else scored.win_health_weight end
                + case when scored.pace_health is null then 0 else scored.pace_health_weight end
                + case when scored.activity_health is null then 0 else scored.activity_health_weight end
                + case when scored.schedule_health is null then 0 else scored.schedule_health_weight end,
                0
            )
        ) as integer) as health_score,
        scored.win_health,
        scored.win_health_weight,
        scored.pace_health,
        scored.pace_health_weight,
        scored.activity_health,
        scored.activity_health_weight,
        scored.schedule_health,
        scored.schedule_health_weight,
        case
            when exists (select 1 from bent) and scored.win_probability is not null
                then
                    'The base rate of ' || scored.training_deal_count || ' closed deals: won and lost ones lack their close dates unequally often, '
                    || 'so those that have one train no score. See rpt_data_quality.'
            else {{ score_reason('scored.win_probability', 'scored.score_status', 'scored.training_deal_count') }}
        end as score_reason,
        scored.fallback_reason,
        scored.as_of_date
    from scored
    left join {{ ref('risk_categories') }} as risk_categories
        on scored.risk_score between risk_categories.least_score and risk_categories.most_score
)

select * from final
