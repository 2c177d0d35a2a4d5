-- Where only lost deals name a competitor, every competitor would seem to win each time: then competitors have no rows.
with

int_deals as (
    select
        coalesce(competitor, 'None recorded') as competitor,
        coalesce(lost_reason, 'None recorded') as lost_reason,
        closed_month,
        cycle_days,
        is_won,
        deal_amount
    from {{ ref('int_deals') }}
    where not is_open
),

counts as (
    select
        {{ segment_dimension(['competitor', 'lost_reason']) }} as segment_dimension,
        {{ segment_value(['competitor', 'lost_reason']) }} as segment_value,
        closed_month,
        cycle_days,
        is_won,
        cast(count(*) as bigint) as deal_count,
        count(deal_amount) as valued_deal_count,
        cast(coalesce(sum(deal_amount), 0) as decimal(38, 2)) as deal_amount,
        cast(coalesce(sum(cast(deal_amount as decimal(38, 4)) * deal_amount), 0) as decimal(38, 4)) as squared_amount
    from int_deals
    group by grouping sets ((closed_month, cycle_days, is_won, competitor), (closed_month, cycle_days, is_won, lost_reason))  -- noqa: PRS
),

final as (
    select * from counts
    where segment_dimension = 'competitor' or not is_won
    qualify max(
        case when segment_value <> 'None recorded' and is_won = (segment_dimension = 'competitor') then 1 else 0 end
    ) over (partition by segment_dimension) = 1
)

select * from final
