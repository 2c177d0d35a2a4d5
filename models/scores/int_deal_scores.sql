-- The score that is shown: of the method that passed the gate, else the base rate.
with

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

closed_deals as (
    select
        cast(count(*) as bigint) as closed_deal_count,
        cast(sum(case when is_won then 1 else 0 end) as double) / nullif(count(*), 0) as win_rate
    from {{ ref('int_deals') }}
    where not is_open
),

statuses as (
    {{ shown_method(ref('ml_score_quality')) }}
),

int_score_predictions as (
    select * from {{ ref('int_score_predictions') }}
    where purpose = 'score'
),

bases as (
    select
        training_deal_count,
        1 / (1 + exp(-contribution)) as base_win_rate
    from {{ ref('ml_score_fits') }}
    where
        fit = 'final'
        and method = 'base'
),

final as (
    select
        int_deals.deal_id,
        int_deals.deal_amount,
        int_deals.sales_rep_id,
        int_deals.as_of_date,
        statuses.score_status,
        statuses.method,
        coalesce(bases.training_deal_count, closed_deals.closed_deal_count) as training_deal_count,
        coalesce(bases.base_win_rate, closed_deals.win_rate) as base_win_rate,
        coalesce(int_score_predictions.win_probability, closed_deals.win_rate) as win_probability,
        int_score_predictions.log_odds,
        int_score_predictions.average_log_odds,
        coalesce(int_score_predictions.unseen_count, 0) as unseen_count
    from int_deals
    cross join closed_deals
    cross join statuses
    left join bases
        on bases.training_deal_count > 0
    left join int_score_predictions
        on
            int_deals.deal_id = int_score_predictions.deal_id
            and statuses.method = int_score_predictions.method
)

select * from final
