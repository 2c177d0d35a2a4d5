{# What segments stand on, but for the accounts themselves: the dimensions, and what is known only after the close. #}
{% set facts = ['competitor'] + own_dimensions(['close']) | map(attribute='dimension') | list %}
{% set known = dimensions_of('segment_dimensions') | reject('in', facts + ['account_id']) | list %}
{% set dimensions = known + ['cycle_band'] + facts %}

with

int_deals as (
    select
        account_id,
        {% for dimension in known -%}
        coalesce({{ dimension }}, 'Unknown') as {{ dimension }},
        {% endfor -%}
        cycle_band,
        coalesce(competitor, 'None recorded') as competitor,
        {% for fact in facts if fact != 'competitor' -%}
        {{ fact }},
        {% endfor -%}
        closed_month,
        is_won
    from {{ ref('int_deals') }}
    where
        not is_open
        and account_id is not null
    -- The deal of an account that has no other is a deal by itself.
    qualify count(*) over (partition by account_id) > 1
),

int_periods as (
    select * from {{ ref('int_periods') }}
    where period <> 'all'
),

deals as (
    select
        int_deals.*,
        int_periods.period
    from int_deals
    left join int_periods
        on int_deals.closed_month between int_periods.period_start_date and int_periods.period_end_date
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        account_id,
        cast(count(*) as bigint) as deal_count,
        cast(sum(case when is_won then 1 else 0 end) as bigint) as won_deal_count,
        cast(sum(case when period = 'last_4_quarters' then 1 else 0 end) as bigint) as last_deal_count,
        cast(sum(case when period = 'prior_4_quarters' then 1 else 0 end) as bigint) as prior_deal_count
    from deals
    group by grouping sets (  -- noqa: PRS
        {%- for dimension in dimensions %}
        (account_id, {{ dimension }}){{ "," if not loop.last }}
        {%- endfor %}
    )
)

select * from final
where segment_value is not null
