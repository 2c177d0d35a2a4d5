with

int_cohort_day_counts as (
    select * from {{ ref('int_cohort_day_counts') }}
),

int_deal_bounds as (
    select * from {{ ref('int_deal_bounds') }}
),

lives as (
    select
        age_days,
        sum(deal_count) as deal_count
    from int_cohort_day_counts
    where outcome <> 'Open'
    group by age_days
),

ranked as (
    select
        age_days,
        sum(deal_count) over (order by age_days) as so_far_count,
        sum(deal_count) over () as all_count
    from lives
),

horizon as (
    select min(age_days) as horizon_days
    from ranked
    where so_far_count >= 0.99 * all_count
),

open_deals as (
    select coalesce(sum(deal_count), 0) as deal_count
    from int_cohort_day_counts
    where outcome = 'Open'
),

bounds as (
    select
        cast(horizon.horizon_days as integer) as horizon_days,
        cast({{ dbt.dateadd('day', 'horizon.horizon_days', 'int_deal_bounds.first_created_date') }} as date) as complete_from_date,
        case
            when open_deals.deal_count > 0 then int_deal_bounds.as_of_date
            else least(int_deal_bounds.as_of_date, int_deal_bounds.last_closed_date)
        end as complete_until_date
    from horizon
    cross join int_deal_bounds
    cross join open_deals
),

final as (
    select
        horizon_days,
        complete_from_date,
        complete_until_date,
        cast({{ dbt.dateadd('day', '-horizon_days', 'complete_until_date') }} as date) as mature_until_date
    from bounds
)

select * from final
