-- Published: RAPV = sum of amount x blend x aging over all closed deals; blend is the mean of the win rates of the deal's industry, product,
-- lead source and region, aging is min(1, mean of their four median cycles / the deal's cycle). The "gap" is 1 - RAPV / raw amount.
-- The marts differ: fct_deal_values is about open deals; rates come from deals that had closed before (here each deal helps to set
-- the rate that judges it); age is that of the day (here it is the cycle, known only at the close); and the aging factor is what past deals
-- of that age did. Without the aging factor the gap is 1 - win rate, whatever the pipeline is like: so it measures losing, not optimism.
{% set dimensions = ['industry', 'product_type', 'lead_source', 'region'] %}

with

fct_deals as (
    select * from {{ ref('fct_deals') }}
    where not is_open
),

{% for dimension in dimensions -%}
{{ dimension }}_segments as (
    select
        {{ dimension }},
        avg(case when is_won then 1.0 else 0.0 end) as win_rate,
        percentile_cont(0.5) within group (order by cycle_days) as median_cycle_days
    from fct_deals
    group by {{ dimension }}
),

{% endfor -%}
factors as (
    select
        fct_deals.deal_amount,
        fct_deals.is_won,
        (
            {% for dimension in dimensions -%}
            {{ dimension }}_segments.win_rate{{ " +" if not loop.last }}
            {% endfor -%}
        ) / {{ dimensions | length }} as blended_win_rate,
        -- a deal that closed on the day of its creation has not aged
        least(1, coalesce(
            (
                {% for dimension in dimensions -%}
                {{ dimension }}_segments.median_cycle_days{{ " +" if not loop.last }}
                {% endfor -%}
            ) / {{ dimensions | length }} / nullif(fct_deals.cycle_days, 0),
            1
        )) as aging_factor
    from fct_deals
    {% for dimension in dimensions -%}
    inner join {{ dimension }}_segments
        on fct_deals.{{ dimension }} = {{ dimension }}_segments.{{ dimension }}
    {% endfor -%}
),

amounts as (
    select
        count(*) as closed_deal_count,
        sum(deal_amount) as raw_amount,
        sum(deal_amount * blended_win_rate * aging_factor) as adjusted_amount,
        sum(deal_amount * blended_win_rate) as adjusted_without_aging_amount,
        sum(case when is_won then deal_amount else 0 end) as realised_amount
    from factors
),

final as (
    select
        closed_deal_count,
        raw_amount,
        adjusted_amount,
        raw_amount - adjusted_amount as gap_amount,
        1 - adjusted_amount / raw_amount as gap_rate,
        1 - adjusted_without_aging_amount / raw_amount as gap_without_aging_rate,
        realised_amount,
        1 - realised_amount / raw_amount as realised_gap_rate,
        adjusted_amount / realised_amount - 1 as error_rate
    from amounts
)

select * from final
