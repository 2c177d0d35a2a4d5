-- What the user says of a value counts before what the seeds say.
with

given as (
    {% for column_name, values in (var('value_maps', none) or {}).items() -%}
    {% for written, meant in values.items() -%}
    select
        '{{ column_name }}' as column_name,
        {{ folded(to_text(dbt.string_literal(dbt.escape_single_quotes(written | string)))) }} as spelling,
        {{ dbt.string_literal(dbt.escape_single_quotes('ignored' if meant is none else meant | string)) }} as mapped_value
    union all
    {% endfor -%}
    {% endfor -%}
    select
        cast(null as {{ dbt.type_string() }}) as column_name,
        cast(null as {{ dbt.type_string() }}) as spelling,
        cast(null as {{ dbt.type_string() }}) as mapped_value
    where false
),

known as (
    select
        'field' as column_name,
        {{ folded('name') }} as spelling,
        field as mapped_value
    from {{ ref('field_names') }}

    union all

    select
        'activity_type' as column_name,
        {{ folded('name') }} as spelling,
        activity_type as mapped_value
    from {{ ref('activity_types') }}
),

final as (
    select
        column_name,
        spelling,
        min(mapped_value) as mapped_value
    from given
    group by column_name, spelling

    union all

    select
        known.column_name,
        known.spelling,
        known.mapped_value
    from known
    left join given
        on
            known.column_name = given.column_name
            and known.spelling = given.spelling
    where given.spelling is null
)

select * from final
