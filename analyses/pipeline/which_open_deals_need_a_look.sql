-- Which deals are stalled, inactive, stale, pushed or overdue?
-- Which big ones has nobody touched?
-- The largest first, with the reasons in words; for the second question read down days_since_last_activity. What the input can't tell is no reason:
-- without stage history no deal is called stalled, without activities none inactive, without field history none stale or pushed.
-- May be empty: without open deals, or where none needs a look.
with

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

final as (
    select
        deals.deal_id,
        deals.deal_name,
        dim_reps.rep_name,
        dim_reps.manager,
        deals.stage,
        deals.deal_size_band,
        deals.deal_amount,
        deals.days_since_last_activity,
        deals.is_stalled_in_stage,
        deals.is_inactive,
        deals.is_stale,
        deals.is_overdue,
        deals.push_count,
        concat_ws(
            '; ',
            case
                when deals.is_stalled_in_stage
                    then concat(
                        deals.days_in_stage, ' days in ', deals.stage, ', ', deals.days_over_stall_limit, ' beyond the ', deals.stall_threshold_days,
                        ' within which nearly all won deals left it'
                    )
            end,
            case
                when deals.is_inactive
                    then concat('no activity for ', deals.days_since_last_activity, ' days')
            end,
            case
                when deals.is_overdue
                    then concat({{ dbt.datediff('deals.expected_close_date', 'deals.as_of_date', 'day') }}, ' days past its expected close')
            end,
            case when deals.is_stale then concat('nothing recorded for ', deals.days_since_last_update, ' days') end,
            case when deals.push_count > 0 then concat('pushed to a later day: ', deals.push_count, ' x') end
        ) as reasons
    from fct_open_deals as deals
    left join dim_reps
        on deals.sales_rep_id = dim_reps.sales_rep_id
    where deals.is_stalled_in_stage or deals.is_inactive or deals.is_overdue or deals.is_stale or deals.push_count > 0
)

select * from final
order by deal_amount desc, deal_id asc
