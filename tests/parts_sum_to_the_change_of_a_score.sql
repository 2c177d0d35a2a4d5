-- Data, ageing and model together are the whole change of a score, in log odds and in points. Of this build: each was tested in its turn.
select
    history.deal_id,
    history.log_odds_change,
    history.change_pp
from {{ ref('fct_deal_score_history') }} as history
inner join {{ ref('int_current_score_build') }} as int_current_score_build
    on history.build_id = int_current_score_build.build_id
where
    history.input_name = {{ input_name_text() }}
    and (
        abs(history.log_odds_change - history.log_odds_change_by_data - history.log_odds_change_by_ageing - history.log_odds_change_by_model) > 1e-9
        or abs(history.change_pp - history.change_by_data_pp - history.change_by_ageing_pp - history.change_by_model_pp) > 1e-9
    )
