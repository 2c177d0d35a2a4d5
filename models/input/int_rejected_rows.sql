{% set row_wise = ['field_history', 'activities', 'interventions', 'reps', 'quotas'] %}

with

deals as (
    select
        'deals' as input,
        deal_id,
        reason,
        reason_codes,
        raw_values,
        row_count
    from {{ ref('int_judged_deals') }}
    where reason_codes is not null
),

stage_history as (
    select
        'stage_history' as input,
        deal_id,
        replace(reason_codes, 'stage_unknown', concat('stage_unknown: ', stage)) as reason,
        reason_codes,
        raw_values,
        1 as row_count
    from {{ ref('int_stage_history') }}
    where reason_codes is not null
),
{% for input in row_wise %}
{{ input }} as (
    select
        '{{ input }}' as input,
        {{ 'deal_id' if 'deal_id' in input_columns(input) else 'cast(null as ' ~ dbt.type_string() ~ ') as deal_id' }},
        reason_codes as reason,
        reason_codes,
        raw_values,
        row_count
    from {{ ref('int_checked__' ~ input) }}
    where reason_codes is not null
),
{% endfor %}
lines as (
    select
        input,
        cast(null as {{ dbt.type_string() }}) as deal_id,
        concat('line_unreadable: ', error, ' in line ', line_number, ' of ', file_name) as reason,
        'line_unreadable' as reason_codes,
        line as raw_values,
        1 as row_count
    from {{ ref('stg_files__rejected_lines') }}
),

unioned as (
    {% for relation in ['deals', 'stage_history'] + row_wise + ['lines'] -%}
    select * from {{ relation }}
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}
),

final as (
    select
        input,
        deal_id,
        reason,
        reason_codes,
        raw_values,
        cast(sum(row_count) as bigint) as row_count
    from unioned
    group by input, deal_id, reason, reason_codes, raw_values
)

select * from final
