{% set own = own_dimensions() | rejectattr("kind", "equalto", "number") | map(attribute="dimension") | list %}
with

int_known__deals as (
    select * from {{ ref('int_known__deals') }}
),

combinations as (
    select
        industry,
        region,
        product_type,
        lead_source,
        deal_type,
        lost_reason,
        competitor,
        {% for dimension in own -%}
        {{ dimension }},
        {% endfor -%}
        count(*) as deal_count
    from int_known__deals
    where not is_not_yet_known
    group by all
),

stacked as (
    select
        unnest([
            'industry', 'region', 'product_type', 'lead_source', 'deal_type', 'lost_reason', 'competitor'
            {%- for dimension in own %}, '{{ dimension }}'{% endfor %}
        ]) as segment_dimension,
        unnest([
            industry, region, product_type, lead_source, deal_type, lost_reason, competitor
            {%- for dimension in own %}, {{ dimension }}{% endfor %}
        ]) as spelling,
        deal_count
    from combinations
),

spellings as (
    select
        segment_dimension,
        spelling,
        sum(deal_count) as deal_count
    from stacked
    where spelling is not null
    group by segment_dimension, spelling
),

-- One value however its letters are cased: the spelling of most deals stands for all. A word for nothing is Unknown.
final as (
    select
        segment_dimension,
        spelling,
        case
            when {{ is_blank_word('spelling') }} then 'Unknown'
            else first_value(spelling) over (
                partition by segment_dimension, lower(spelling)
                order by deal_count desc, spelling asc
            )
        end as segment_value
    from spellings
)

select * from final
