with

-- A closed gate has no risk score to go by.
scores as (
    select
        scores.deal_id,
        scores.win_probability,
        case when scores.score_status in ('model', 'table') then scores.risk_score end as risk_score,
        {{ risk_score('(scores.win_probability - history.change_pp / 100)') }} as previous_risk_score,
        reasons.reason
    from {{ ref('fct_deal_scores') }} as scores
    cross join {{ ref('int_current_score_build') }} as int_current_score_build
    left join {{ ref('fct_deal_score_history') }} as history
        on
            scores.deal_id = history.deal_id
            and int_current_score_build.build_id = history.build_id
            and history.input_name = {{ input_name_text() }}
    left join {{ ref('fct_deal_score_reasons') }} as reasons
        on
            scores.deal_id = reasons.deal_id
            and reasons.is_shown
            and reasons.direction = 'down'
            and reasons.direction_rank = 1
),

-- limit_text says how far the deal is beyond its stage's limit, activity_text when something last happened.
deals as (
    select
        open_deals.*,
        {{ one_line('coalesce(open_deals.deal_name, open_deals.deal_id)') }} as subject_name,
        scores.win_probability,
        scores.risk_score,
        scores.previous_risk_score,
        scores.reason,
        {{ dbt.datediff('expected_close_date', 'as_of_date', 'day') }} as days_overdue,
        open_deals.days_in_stage || ' days in its stage, '
        || case when open_deals.is_stalled_in_stage then open_deals.days_over_stall_limit || ' beyond the ' else 'not beyond the ' end
        || open_deals.stall_threshold_days || ' within which {{ "%g" | format(100 * var("stall_quantile")) }} % of won deals left it' as limit_text,
        case
            when open_deals.days_since_last_activity is not null
                then coalesce('last activity on ' || cast(open_deals.last_activity_date as {{ dbt.type_string() }}), 'never any activity')
        end as activity_text
    from {{ ref('fct_open_deals') }} as open_deals
    left join scores
        on open_deals.deal_id = scores.deal_id
),

metric_values as (
    select
        *,
        'risk_score' as metric,
        risk_score as value,
        previous_risk_score as previous_value,
        'risk score ' || risk_score || ', win probability ' || {{ percent('win_probability') }} || coalesce('; ' || reason, '.') as evidence
    from deals

    union all

    select
        *,
        'days_over_stall_limit' as metric,
        days_over_stall_limit as value,
        null as previous_value,
        concat_ws('; ', limit_text, activity_text) || '.' as evidence
    from deals

    union all

    select
        *,
        'days_since_last_activity' as metric,
        days_since_last_activity as value,
        null as previous_value,
        'no activity for ' || days_since_last_activity || case days_since_last_activity when 1 then ' day; ' else ' days; ' end || activity_text || '.' as evidence
    from deals

    union all

    select
        *,
        'days_overdue' as metric,
        days_overdue as value,
        null as previous_value,
        'expected to close on ' || cast(expected_close_date as {{ dbt.type_string() }}) || ', '
        || case when days_overdue < 0 then 'in ' || (-days_overdue) || ' days' else days_overdue || ' days ago' end
        || coalesce('; pushed ' || push_count || case push_count when 1 then ' time' else ' times' end, '') || '.' as evidence
    from deals
),

final as (
    select
        metric,
        'deal' as subject_type,
        deal_id as subject_id,
        subject_name,
        cast(value as double) as value,
        cast(previous_value as double) as previous_value,
        deal_amount,
        sales_rep_id,
        subject_name || ' (' || deal_id || coalesce(', ' || {{ money('deal_amount') }}, '') || coalesce(', ' || stage, '') || '): '
        || evidence as evidence
    from metric_values
    where value is not null
)

select * from final
