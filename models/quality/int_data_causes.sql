-- What an input may lack besides whole kinds of data, in words that end "Has no rows: ...".
with

int_deals as (
    select
        deals.*,
        cohorts.is_mature,
        {{ period_start('deals.closed_month', 6) }} as closed_half_year,
        bounds.first_created_date,
        closing.*
    from {{ ref('int_deals') }} as deals
    inner join {{ ref('int_mature_cohorts') }} as cohorts
        on deals.cohort_month = cohorts.cohort_month
    cross join {{ ref('int_deal_bounds') }} as bounds
    cross join {{ ref('int_closing_bounds') }} as closing
),

met as (
    select
        count(case when is_met then 1 end) as met_count,
        count(distinct alert_rule_id) as checked_count
    from {{ ref('fct_alert_checks') }}
),

-- What scores and RAPV learn from.
settled as (
    select sum(case when cohorts.is_mature then cohorts.deal_count - cohorts.open_deal_count else 0 end) as settled_count
    from {{ ref('int_cohort_maturity') }} as cohorts
    inner join {{ ref('int_deal_bounds') }} as bounds
        on cohorts.forecast_date = bounds.as_of_date
),

counts as (
    select
        count(*) as deal_count,
        count(case when not is_open then 1 end) as closed_count,
        count(case when is_open then 1 end) as open_count,
        count(case when is_won then 1 end) as won_count,
        count(case when not is_won and not is_open then 1 end) as lost_count,
        count(case when not is_open then closed_date end) as dated_count,
        count(case when is_won then closed_date end) as dated_won_count,
        count(case when not is_won and not is_open then closed_date end) as dated_lost_count,
        count(case when not is_open and cycle_days > 0 then 1 end) as cycle_count,
        count(case when not is_open and is_mature then 1 end) as mature_count,
        count(case when is_won and is_mature then 1 end) as mature_won_count,
        count(case when deal_amount > 0 then 1 end) as amount_count,
        count(case when is_open and deal_amount > 0 then 1 end) as open_amount_count,
        cast({{ dbt.datediff('min(created_date)', 'max(as_of_date)', 'day') }} as integer) as day_count,
        count(distinct closed_month) as closed_month_count,
        count(distinct case
            when closed_month >= complete_from_date and {{ dbt.dateadd('month', 1, 'closed_month') }} <= {{ dbt.dateadd('day', 1, 'complete_until_date') }}
                then closed_month
        end) as whole_month_count,
        count(distinct case
            when
                is_mature
                and closed_half_year > first_created_date
                and {{ dbt.dateadd('month', 6, 'closed_half_year') }} <= {{ dbt.dateadd('day', 1, 'as_of_date') }}
                then closed_half_year
        end) as half_year_count,
        max(horizon_days) as horizon_days
    from int_deals
),

causes as (
    select
        counts.*,
        met.met_count,
        met.checked_count,
        coalesce(settled.settled_count, 0) as settled_count
    from counts
    cross join met
    cross join settled
),

final as (
    select
        unnest([
            'closed_deals', 'closed_dates', 'cycles', 'won_deals', 'lost_deals', 'won_dates', 'lost_dates', 'amounts', 'open_amounts', 'mature_deals',
            'settled_deals', 'half_years', 'enough_mature_deals', 'months', 'whole_months', 'backtest_days', 'met_rules', 'plays', 'rejected_rows', 'deals'
        ]) as cause,
        unnest([
            closed_count = 0,
            dated_count = 0,
            cycle_count = 0,
            won_count = 0,
            lost_count = 0,
            won_count > 0 and dated_won_count = 0,
            lost_count > 0 and dated_lost_count = 0,
            amount_count = 0,
            open_amount_count = 0,
            mature_count = 0,
            settled_count < mature_count,
            half_year_count = 0,
            true,
            closed_month_count < {{ var('trend_min_baseline_periods') + 1 }},
            true,
            day_count < {{ var('backtest_min_history_days') + 31 }},
            met_count = 0,
            true,
            true,
            true
        ]) as is_lacking,
        unnest([
            'no deal has closed by the as-of date',
            'no closed deal has the date of its close: map closed_date to the column that has it',
            'all deals closed on the day they were created: map created_date to the day a deal was first known',
            'no deal was won by the as-of date: see whether outcome or the stages say who won',
            'no deal was lost by the as-of date: see whether outcome or the stages say who lost, and whether the export leaves lost deals out',
            'none of the ' || won_count || ' won deals has the date of its close: export it too, or map closed_date to the column that has it',
            'none of the ' || lost_count || ' lost deals has the date of its close: export it too, or map closed_date to the column that has it',
            'no deal has an amount: map deal_amount',
            'no open deal has an amount: map deal_amount',
            concat('99 of 100 deals close within ', horizon_days, ' days, and no month''s deals are all that old: give a longer history'),
            'scores and RAPV learn from months that are older than it takes until {{ "%g" | format(100 * var("maturity_quantile")) }} % of all deals have closed, '
            || 'and of which at most {{ "%g" | format(100 * var("max_mature_open_share")) }} % are still open, and ' || settled_count || ' of the '
            || closed_count || ' closed deals are of such months: close deals that are dead, or lower maturity_quantile and raise max_mature_open_share',
            'deals of no whole half-year that began after the first creation can be compared: give a longer history',
            'of the ' || closed_count || ' closed deals ' || mature_count || ', ' || mature_won_count || ' of them won, were created in months whose slow '
            || 'deals have had the time to close, which are too few for it: give more, or a longer history',
            'deals closed in ' || closed_month_count || ' months, and it takes {{ var("trend_min_baseline_periods") + 1 }}: give a longer history',
            'win rates of whole months are compared, and since 99 of 100 deals have had the time to close, deals closed in ' || whole_month_count
            || ' of them: give a longer history',
            'the first deal was created ' || day_count || ' days before the as-of date, and it takes {{ var("backtest_min_history_days") + 31 }}: '
            || 'give a longer history',
            'no alert rule was met by the as-of date, of ' || checked_count || ' that had something to look at',
            'no play of the playbook fits an open deal',
            'no row was turned away',
            'the ' || closed_count || ' closed deals, ' || won_count || ' of them won, and ' || open_count || ' open ones are too few for it: give more'
        ]) as reason
    from causes
)

select * from final
