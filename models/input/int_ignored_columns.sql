-- Columns of the input files that no canonical column reads.
{% if reads_files() -%}
with

stg_files__columns as (
    select * from {{ ref('stg_files__columns') }}
),

final as (
    select
        input,
        column_name
    from stg_files__columns
    where
        lower(column_name) not in (
            {%- for input in input_contract() if var(input ~ "_file", none) -%}
            {% set input_loop = loop -%}
            {% for column in input_columns(input) -%}
            '{{ file_column(input, column) | lower }}'{{ "," if not (loop.last and input_loop.last) }}
            {%- endfor %}
            {%- endfor -%}
        )
)

select * from final
{%- else -%}
select
    cast(null as {{ dbt.type_string() }}) as input,
    cast(null as {{ dbt.type_string() }}) as column_name
where false
{%- endif %}
