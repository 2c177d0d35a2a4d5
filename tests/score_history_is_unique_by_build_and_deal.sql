-- Every open deal has one row of this build, appended by it or, if it was made before, by the first such build. Each was tested in its turn.
select
    scores.deal_id,
    count(history.deal_id) as row_count
from {{ ref('int_deal_scores') }} as scores
cross join {{ ref('int_current_score_build') }} as int_current_score_build
left join {{ ref('fct_deal_score_history') }} as history
    on
        int_current_score_build.build_id = history.build_id
        and scores.deal_id = history.deal_id
        and history.input_name = {{ input_name_text() }}
group by scores.deal_id
having count(history.deal_id) <> 1
