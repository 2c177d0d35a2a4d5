with

int_score_deals as (
    select * from {{ ref('int_score_deals') }}
    where is_training
),

plays as (
    select * from {{ ref('int_playbook') }}
    where trigger_kind = 'fact'
),

taken as (
    select
        interventions.deal_id,
        interventions.action_id,
        cast(interventions.taken_at as date) as taken_date
    from {{ ref('int_checked__interventions') }} as interventions
    inner join int_score_deals
        on interventions.deal_id = int_score_deals.deal_id
    where
        interventions.reason_codes is null
        and cast(interventions.taken_at as date) <= int_score_deals.closed_date
        and interventions.action_id in (select plays.action_id from plays)
),

-- Actions that nobody has ever taken have changed nothing: what flags a deal for one of them alone begins no comparison.
int_playbook as (
    select * from plays
    where action_id in (select taken.action_id from taken)
),

-- The risk category matters to the offer but isn't known of past days: without it a deal is flagged no later than it was.
flags as (
    select
        stretches.deal_id,
        int_playbook.action_id,
        stretches.until_date,
        greatest(stretches.from_date, cast({{ dbt.dateadd('day', 'cast(int_playbook.threshold as integer)', 'stretches.counted_from_date') }} as date)) as met_date
    from {{ ref('int_fact_stretches') }} as stretches
    inner join int_playbook
        on
            stretches.trigger_name = int_playbook.trigger_name
            and (stretches.counted_from_date is not null or stretches.trigger_value >= int_playbook.threshold)
            and (int_playbook.stage is null or stretches.stage is null or stretches.stage = int_playbook.stage)
),

-- What flags a deal after the first day on which anything did, offers may have changed. Between a loss and its reopening nothing is offered.
first_flags as (
    select distinct
        flags.deal_id,
        flags.action_id,
        coalesce(gaps.until_date, flags.met_date) as flagged_date
    from flags
    left join {{ ref('int_deal_gaps') }} as gaps
        on flags.deal_id = gaps.deal_id and flags.met_date >= gaps.from_date and flags.met_date < gaps.until_date
    where coalesce(gaps.until_date, flags.met_date) < flags.until_date
    qualify flagged_date = min(flagged_date) over (partition by flags.deal_id)
),

deals as (
    select
        coalesce(first_flags.deal_id, taken.deal_id) as deal_id,
        min(first_flags.flagged_date) as flagged_date,
        max(case when taken.taken_date >= first_flags.flagged_date then 1 else 0 end) = 1 as is_acted,
        max(case when taken.taken_date >= first_flags.flagged_date or taken.deal_id is null then 0 else 1 end) = 1 as is_acted_unflagged
    from first_flags
    full outer join taken
        on first_flags.deal_id = taken.deal_id
    group by coalesce(first_flags.deal_id, taken.deal_id)
),

scores as (
    select
        deals.deal_id,
        max_by(predictions.win_probability, predictions.observation_date) as win_probability
    from deals
    inner join {{ ref('int_score_predictions') }} as predictions
        on deals.deal_id = predictions.deal_id and deals.flagged_date >= predictions.observation_date
    where predictions.purpose = 'training' and predictions.method = 'model'
    group by deals.deal_id
),

entries as (
    select
        deal_id,
        'all' as action_id
    from deals

    union all

    select
        deal_id,
        action_id
    from first_flags
),

final as (
    select
        entries.deal_id,
        entries.action_id,
        deals.flagged_date,
        {{ is_holdout('entries.deal_id') }} as is_holdout,
        coalesce(risk_categories.risk_category, 'not scored') as score_band,
        deals.is_acted,
        deals.is_acted_unflagged,
        int_score_deals.is_won
    from entries
    inner join deals
        on entries.deal_id = deals.deal_id
    inner join int_score_deals
        on entries.deal_id = int_score_deals.deal_id
    left join scores
        on entries.deal_id = scores.deal_id
    left join {{ ref('risk_categories') }} as risk_categories
        on {{ risk_score('scores.win_probability') }} between risk_categories.least_score and risk_categories.most_score
    where coalesce(deals.flagged_date >= (select min(taken.taken_date) from taken), true)
)

select * from final
