{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}

with

risk_categories as (
    select * from {{ ref('risk_categories') }}
),

int_kept_deal_scores as (
    select * from {{ ref('int_kept_deal_scores') }}
    where input_name = {{ input_name_text() }}
    {%- if is_incremental() %}
    and build_id not in (
        select distinct kept.build_id from {{ this }} as kept
        where kept.input_name = {{ input_name_text() }}
    )
    {%- endif %}
),

-- Ageing and data as the old fit values them; the model part is the rest: the new fit against the old one, both on the deal of today.
compared as (
    select
        snapshots.*,
        previous.build_id as previous_build_id,
        previous.as_of_date as previous_as_of_date,
        previous.model_version as previous_model_version,
        previous.win_probability as previous_win_probability,
        previous.log_odds as previous_log_odds,
        moves.log_odds_by_ageing,
        moves.log_odds_by_data,
        previous.log_odds + moves.log_odds_by_ageing as aged_log_odds,
        previous.log_odds + moves.log_odds_by_ageing + moves.log_odds_by_data as unfitted_log_odds
    from int_kept_deal_scores as snapshots
    left join {{ ref('int_kept_score_changes') }} as moves
        on
            snapshots.input_name = moves.input_name
            and snapshots.build_id = moves.build_id
            and snapshots.deal_id = moves.deal_id
    left join {{ ref('int_kept_deal_scores') }} as previous
        on
            moves.input_name = previous.input_name
            and moves.previous_build_id = previous.build_id
            and moves.deal_id = previous.deal_id
),

-- Twelve decimals are exact enough for sums within 1e-9, and nothing is nothing; + 0 because of -0.0.
parted as (
    select
        *,
        round(log_odds - previous_log_odds, 12) + 0 as log_odds_change,
        round(log_odds_by_data, 12) + 0 as log_odds_change_by_data,
        round(log_odds_by_ageing, 12) + 0 as log_odds_change_by_ageing,
        round(log_odds - unfitted_log_odds, 12) + 0 as log_odds_change_by_model,
        round(100 * (win_probability - previous_win_probability), 12) + 0 as change_pp,
        round(100 / (1 + exp(-unfitted_log_odds)) - 100 / (1 + exp(-aged_log_odds)), 12) + 0 as change_by_data_pp,
        round(100 / (1 + exp(-aged_log_odds)) - 100 * previous_win_probability, 12) + 0 as change_by_ageing_pp,
        round(100 * win_probability - 100 / (1 + exp(-unfitted_log_odds)), 12) + 0 as change_by_model_pp
    from compared
),

scored as (
    select
        *,
        {{ risk_score('win_probability') }} as risk_score,
        case
            when change_by_model_pp is null then null
            when abs(change_by_data_pp) + abs(change_by_ageing_pp) + abs(change_by_model_pp) < 1e-9 then 'none'
            when abs(change_by_data_pp) >= greatest(abs(change_by_ageing_pp), abs(change_by_model_pp)) then 'data'
            when abs(change_by_ageing_pp) >= abs(change_by_model_pp) then 'ageing'
            else 'model'
        end as main_cause
    from parted
),

final as (
    select
        scored.input_name,
        scored.deal_id,
        scored.as_of_date,
        scored.build_id,
        scored.build_number,
        scored.model_version,
        scored.trained_as_of_date,
        scored.score_status,
        scored.win_probability,
        scored.log_odds as win_log_odds,
        scored.risk_score,
        risk_categories.risk_category,
        scored.previous_as_of_date,
        scored.previous_build_id,
        scored.previous_model_version,
        scored.log_odds_change,
        scored.log_odds_change_by_data,
        scored.log_odds_change_by_ageing,
        scored.log_odds_change_by_model,
        scored.change_pp,
        scored.change_by_data_pp,
        scored.change_by_ageing_pp,
        scored.change_by_model_pp,
        scored.main_cause
    from scored
    left join risk_categories
        on scored.risk_score between risk_categories.least_score and risk_categories.most_score
)

select * from final
