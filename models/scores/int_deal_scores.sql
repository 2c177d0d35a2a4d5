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

-- The log odds of a deal are those of the average deal and what each of its values adds. Decimals, because a sum of doubles follows the order of its rows.
scored as (
    select
        contributions.deal_id,
        contributions.average_log_odds,
        contributions.average_log_odds + cast(sum(cast(contributions.contribution as decimal(38, 18))) as double) as log_odds
    from {{ ref('int_score_contributions') }} as contributions
    inner join statuses
        on contributions.method = statuses.method
    where contributions.purpose = 'score'
    group by contributions.deal_id, contributions.average_log_odds
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
        coalesce(1 / (1 + exp(-scored.log_odds)), closed_deals.win_rate) as win_probability,
        scored.log_odds,
        scored.average_log_odds
    from int_deals
    cross join closed_deals
    cross join statuses
    left join bases
        on bases.training_deal_count > 0
    left join scored
        on int_deals.deal_id = scored.deal_id
)

select * from final
