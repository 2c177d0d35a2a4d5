-- Why did this deal's risk rise since yesterday: data, ageing or the model?
-- What did we believe a month ago?
-- Each deal of the newest date, the greatest loss of probability first, with what moved it since the build before (previous_as_of_date), in points: the three parts
-- sum to change_pp. Beside it what the newest build as of a month earlier or before said of it; null where there was none. Scores that are refitted each
-- day move by about a point by themselves: that is the model's part. May be empty: without open deals.
with

history as (
    select
        *,
        max(as_of_date) over () as newest_as_of_date,
        row_number() over (partition by as_of_date, deal_id order by build_number desc) as newest_of_date_first
    from {{ ref('fct_deal_score_history') }}
    where input_name = {{ input_name_text() }}
),

month_ago as (
    select
        *,
        row_number() over (partition by deal_id order by as_of_date desc) as newest_first
    from history
    where
        newest_of_date_first = 1
        and as_of_date <= {{ dbt.dateadd('month', -1, 'newest_as_of_date') }}
),

final as (
    select
        history.deal_id,
        history.as_of_date,
        history.score_status,
        history.win_probability,
        history.risk_category,
        history.previous_as_of_date,
        history.change_pp,
        history.change_by_data_pp,
        history.change_by_ageing_pp,
        history.change_by_model_pp,
        history.main_cause,
        month_ago.as_of_date as month_ago_as_of_date,
        month_ago.win_probability as month_ago_win_probability,
        month_ago.risk_category as month_ago_risk_category
    from history
    left join month_ago
        on
            history.deal_id = month_ago.deal_id
            and month_ago.newest_first = 1
    where
        history.newest_of_date_first = 1
        and history.as_of_date = history.newest_as_of_date
)

select * from final
order by change_pp asc, deal_id asc
