-- What the score said of the deals of past pipelines, by the newest fit known then, and says of those open now.
with

int_score_predictions as (
    select * from {{ ref('int_score_predictions') }}
    where purpose = 'backtest'
),

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
),

final as (
    select
        observation_date as forecast_date,
        deal_id,
        win_probability
    from int_score_predictions

    union all

    select
        as_of_date as forecast_date,
        deal_id,
        win_probability
    from int_deal_scores
)

select * from final
