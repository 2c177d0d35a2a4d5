-- Which open deals are stalled, overdue or forgotten, and are worth most? Largest first, with the reasons in words.
-- What the input can't tell is no reason: without stage history or activities no deal is called stalled, without field history none stale.
with

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

final as (
    select
        fct_open_deals.deal_id,
        fct_open_deals.deal_name,
        dim_reps.rep_name,
        dim_reps.manager,
        fct_open_deals.stage,
        fct_open_deals.deal_amount,
        concat_ws(
            '; ',
            case
                when fct_open_deals.days_in_stage > fct_open_deals.stall_threshold_days
                    then concat(
                        fct_open_deals.days_in_stage, ' days in ', fct_open_deals.stage, ', where most deals that are won leave by day ',
                        fct_open_deals.stall_threshold_days
                    )
            end,
            case
                when fct_open_deals.days_since_last_activity >= {{ var('stall_inactivity_days') }}
                    then concat('no activity for ', fct_open_deals.days_since_last_activity, ' days')
            end,
            case
                when fct_open_deals.is_overdue
                    then concat(
                        {{ dbt.datediff('fct_open_deals.expected_close_date', 'fct_open_deals.as_of_date', 'day') }},
                        ' days past its expected close'
                    )
            end,
            case when fct_open_deals.is_stale then concat('nothing recorded for ', fct_open_deals.days_since_last_update, ' days') end,
            case when fct_open_deals.push_count > 0 then concat('pushed to a later day: ', fct_open_deals.push_count, ' x') end
        ) as reasons
    from fct_open_deals
    left join dim_reps
        on fct_open_deals.sales_rep_id = dim_reps.sales_rep_id
    where fct_open_deals.is_stalled or fct_open_deals.is_overdue or fct_open_deals.is_stale
)

select * from final
order by deal_amount desc, deal_id asc
