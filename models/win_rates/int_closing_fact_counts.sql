{% set own = own_dimensions(['close']) | map(attribute='dimension') | list %}
{% set facts = ['competitor', 'lost_reason'] + own %}
-- Where only lost deals name a competitor, every competitor would seem to win each time: then competitors have no rows.
with

int_deals as (
    select
        coalesce(competitor, 'None recorded') as competitor,
        coalesce(lost_reason, 'None recorded') as lost_reason,
        {% for dimension in own -%}
        {{ dimension }},
        {% endfor -%}
        closed_month,
        cycle_days,
        is_won,
        deal_amount
    from {{ ref('int_deals') }}
    where not is_open
),

counts as (
    select
        {{ segment_dimension(facts) }} as segment_dimension,
        {{ segment_value(facts) }} as segment_value,
        closed_month,
        cycle_days,
        is_won,
        cast(count(*) as bigint) as deal_count,
        count(deal_amount) as valued_deal_count,
        cast(coalesce(sum(deal_amount), 0) as decimal(38, 2)) as deal_amount,
        cast(coalesce(sum(cast(deal_amount as decimal(38, 4)) * deal_amount), 0) as decimal(38, 4)) as squared_amount
    from int_deals
    group by grouping sets (  -- noqa: PRS
        {%- for fact in facts %}
        (closed_month, cycle_days, is_won, {{ fact }}){{ "," if not loop.last }}
        {%- endfor %}
    )
),

final as (
    select * from counts
    where segment_dimension <> 'lost_reason' or not is_won
    qualify segment_dimension not in ('competitor', 'lost_reason') or max(
        case when segment_value <> 'None recorded' and is_won = (segment_dimension = 'competitor') then 1 else 0 end
    ) over (partition by segment_dimension) = 1
)

select * from final
