{# Dated companion rows of accepted deals, known on the as-of day: equal rows once with their row_count, and reason codes. What is dated
   later, such as a meeting that is planned, is not yet known. Values of the column `mapped` are read through int_value_maps. #}
{% macro checked_events(input, timestamp_column, reasons=[], mapped=none) %}
{%- set columns = input_columns(input) -%}
with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

distinct_rows as (
    select
        {% for column in columns -%}
            {{ to_text(column) }} as {{ column }},
        {% endfor -%}
        count(*) as row_count
    from {{ ref('int_input__' ~ input) }}
    group by {% for column in columns %}{{ to_text(column) }}{{ ", " if not loop.last }}{% endfor %}
),

typed as (
    select
        distinct_rows.*,
        {{ to_timestamp('distinct_rows.' ~ timestamp_column, input) }} as event_at
    from distinct_rows
),

known as (
    select
        typed.*,
        {{ is_unreadable('typed.' ~ timestamp_column, 'typed.event_at') }} as is_unreadable,
        int_as_of.as_of_date
    from typed
    cross join int_as_of
    where
        typed.event_at is null
        or cast(typed.event_at as date) <= int_as_of.as_of_date
),

final as (
    select
        {% for column in columns -%}
        {% if column == timestamp_column -%}
        known.event_at as {{ column }},
        {% elif column == mapped -%}
        coalesce(int_value_maps.mapped_value, known.{{ column }}) as {{ column }},
        {% else -%}
        known.{{ column }},
        {% endif -%}
        {% endfor -%}
        known.row_count,
        {{ raw_values(columns, 'known.') }} as raw_values,
        {{ reason_codes([
            ("known.deal_id is null", "deal_id_missing"),
            ("known.event_at is null and not known.is_unreadable", timestamp_column ~ "_missing"),
            ("known.is_unreadable", timestamp_column ~ "_unreadable"),
            (
                "not " ~ is_plausible_date("cast(known.event_at as date)", "known.as_of_date"),
                timestamp_column ~ "_implausible",
            ),
            ("known.deal_id is not null and int_deals.deal_id is null", "deal_not_accepted"),
        ] + reasons) }} as reason_codes
    from known
    left join int_deals
        on known.deal_id = int_deals.deal_id
    {%- if mapped %}
    left join {{ ref('int_value_maps') }} as int_value_maps
        on
            int_value_maps.column_name = '{{ mapped }}'
            and {{ folded('known.' ~ mapped) }} = int_value_maps.spelling
    {%- endif %}
)

select * from final
{% endmacro %}
