{% set dimensions = ['industry', 'region', 'product_type', 'lead_source', 'lost_reason', 'competitor'] %}

with

int_known__deals as (
    select * from {{ ref('int_known__deals') }}
),

combinations as (
    select
        {{ dimensions | join(', ') }},
        count(*) as deal_count
    from int_known__deals
    where not is_not_yet_known
    group by {{ dimensions | join(', ') }}
),

spellings as (
    {% for dimension in dimensions -%}
    select
        '{{ dimension }}' as segment_dimension,
        {{ dimension }} as spelling,
        sum(deal_count) as deal_count
    from combinations
    where {{ dimension }} is not null
    group by {{ dimension }}
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}
),

-- One value however its letters are cased: the spelling of most deals stands for all.
final as (
    select
        segment_dimension,
        spelling,
        first_value(spelling) over (
            partition by segment_dimension, lower(spelling)
            order by deal_count desc, spelling asc
        ) as segment_value
    from spellings
)

select * from final
