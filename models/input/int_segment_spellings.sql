{% set columns = spelled_columns() %}
with

int_known__deals as (
    select * from {{ ref('int_known__deals') }}
),

combinations as (
    select
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        count(*) as deal_count
    from int_known__deals
    where not is_not_yet_known
    group by all
),

stacked as (
    select
        unnest(['{{ columns | join("', '") }}']) as segment_dimension,
        unnest([{{ columns | join(", ") }}]) as spelling,
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
