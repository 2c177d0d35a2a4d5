{# A text as the var value_maps says that this column's values are meant, whatever their case; null where the map has it so, and what it doesn't
   list stays as it is. #}
{% macro mapped(text, column) -%}
    {%- set values = var("value_maps", {}).get(column, {}) -%}
    {%- if values -%}
    case lower({{ text }})
        {%- for written, meant in values.items() %}
        when '{{ written | string | trim | lower | replace("'", "''") }}' then {{ "null" if meant is none else "'" ~ meant | string | replace("'", "''") ~ "'" }}
        {%- endfor %}
        else {{ text }}
    end
    {%- else -%}
    {{ text }}
    {%- endif -%}
{%- endmacro %}


{# Does a row of the deals pass the var row_filters? Each filter looks at one column of the file and keeps or drops the rows that have one of its
   values there, whatever their case; a blank is the value ''. #}
{% macro passes_row_filters() -%}
    {%- for filter in var("row_filters", []) -%}
    {%- set is_kept = "keep" in filter -%}
    coalesce(lower({{ to_text("filter_" ~ loop.index) }}), '') {{ "in" if is_kept else "not in" }} (
        {%- for value in filter["keep" if is_kept else "drop"] %}'{{ value | string | trim | lower | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor -%}
    ){{ " and " if not loop.last }}
    {%- else -%}
    true
    {%- endfor -%}
{%- endmacro %}
