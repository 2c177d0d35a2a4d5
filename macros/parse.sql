{# Text without surrounding white space; blank is null. #}
{% macro to_text(column) -%}
    nullif(trim(cast({{ column }} as {{ dbt.type_string() }})), '')
{%- endmacro %}

{# UTC timestamp of a column of any type: ISO text, whose offset is applied, a date or a timestamp. Null when blank, unreadable or
   beyond the year 9998 (a far-future sentinel). A typed column takes the last branch, which reads no text. #}
{% macro to_timestamp(column) -%}
    {{ return(adapter.dispatch("to_timestamp", "pipeline_intelligence")(column)) }}
{%- endmacro %}

{% macro default__to_timestamp(column) -%}
    {%- set text = "trim(cast(" ~ column ~ " as " ~ dbt.type_string() ~ "))" -%}
    case
        when {{ try_cast(column, "timestamp") }} >= cast('9999-01-01' as timestamp) then null
        when typeof({{ column }}) = 'VARCHAR' and length({{ text }}) > 19
            then cast({{ try_cast(text, "timestamp with time zone") }} as timestamp)
        when typeof({{ column }}) = 'VARCHAR' then {{ try_cast(text, "timestamp") }}
        else {{ try_cast(column, "timestamp") }}
    end
{%- endmacro %}

{# Money of text or of a number; null when blank or unreadable. #}
{% macro to_amount(column) -%}
    {{ try_cast(column, "decimal(18, 2)") }}
{%- endmacro %}

{# Does a column hold something of which no value could be made? Text is looked at only where there is no value. #}
{% macro is_unreadable(column, value) -%}
    case when {{ value }} is null then {{ to_text(column) }} is not null else false end
{%- endmacro %}

{# Comma-separated reason codes of a row, null when there is none: pairs of (condition, code), after codes found before. The
   conditions are tried first, so that only the few rows that need a text get one made. #}
{% macro reason_codes(reasons, found_before=none) -%}
    case
        when
            {% if found_before %}{{ found_before }} is not null or {% endif -%}
            {% for condition, code in reasons %}({{ condition }}){{ " or " if not loop.last }}{% endfor %}
            then concat_ws(
                ', '
                {%- if found_before %}, {{ found_before }}{% endif -%}
                {%- for condition, code in reasons %},
                case when {{ condition }} then '{{ code }}' end
                {%- endfor %}
            )
    end
{%- endmacro %}

{# The row as it came, as a JSON object of text. #}
{% macro raw_values(columns, prefix="") -%}
    cast(json_object(
        {%- for column in columns %}'{{ column }}', cast({{ prefix }}{{ column }} as {{ dbt.type_string() }}){{ ", " if not loop.last }}{% endfor -%}
    ) as {{ dbt.type_string() }})
{%- endmacro %}

{# Does a value lie in a row of the bands seed? Bands are (lower, upper]; a blank bound is no bound. `case` keeps the planner from
   sorting millions of rows to join them with a few bands. #}
{% macro in_band(value, band) -%}
    case when {{ in_band_of_key(value, band) }} then 1 else 0 end = 1
{%- endmacro %}

{# The same for a join that has a key besides: a hash join takes plain comparisons. #}
{% macro in_band_of_key(value, band) -%}
    {{ value }} > coalesce({{ band }}.lower_bound, -1e18) and {{ value }} <= coalesce({{ band }}.upper_bound, 1e18)
{%- endmacro %}

{# cast() that gives null where the value can't be cast. #}
{% macro try_cast(value, type) -%}
    {{ return(adapter.dispatch("try_cast", "pipeline_intelligence")(value, type)) }}
{%- endmacro %}

{% macro default__try_cast(value, type) -%}
    try_cast({{ value }} as {{ type }})
{%- endmacro %}

{# The words of comma-separated text. #}
{% macro words(text, separator=",") %}
    {% set found = [] %}
    {% for word in (text | string).split(separator) if word.strip() %}
        {% do found.append(word.strip()) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
