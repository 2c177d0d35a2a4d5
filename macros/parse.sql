{# An expression that reads one value, on one line: compiled SQL has a line a column, as its source. #}
{% macro on_one_line() -%}
    {{ caller().split("\n") | map("trim") | select | join(" ") }}
{%- endmacro %}

{# Text without white space around it (line breaks, no-break and zero-width spaces, a byte order mark too), in Unicode NFC; blank is null.
   The two ends are looked at first: few texts need more. #}
{% macro to_text(column) -%}
    {%- set text = "cast(" ~ column ~ " as " ~ dbt.type_string() ~ ")" -%}
    {% call on_one_line() -%}
    case
        when {{ text }} between '!' and '~~' and {{ text }}[-1] between '!' and '~' then nfc_normalize({{ text }})
        else nullif(nfc_normalize(regexp_replace({{ text }}, '^[\p{Cc}\p{Cf}\p{Z}]+|[\p{Cc}\p{Cf}\p{Z}]+$', '', 'g')), '')
    end
    {%- endcall %}
{%- endmacro %}

{# Is a text one of the words that stand for nothing, such as n/a? #}
{% macro is_blank_word(text) -%}
    coalesce(lower({{ text }}) in (select blank_words.word from {{ ref("blank_words") }} as blank_words), false)
{%- endmacro %}

{# Does a column hold something of which no value could be made? Text is looked at only where there is no value; a word for nothing is
   nothing. #}
{% macro is_unreadable(column, value) -%}
    {%- set text = "case when " ~ value ~ " is null then " ~ to_text(column) ~ " end" -%}
    ({{ text }} is not null and not {{ is_blank_word(text) }})
{%- endmacro %}

{# True or false, in the words that exports use; null when blank or another word. #}
{% macro to_boolean(column) -%}
    {% call on_one_line() -%}
    case
        when lower({{ to_text(column) }}) in ('true', 't', 'yes', 'y', '1', '1.0', 'x', 'on', 'wahr', 'ja', 'vrai', 'oui', 'verdadero', 'si', 'sí') then true
        when lower({{ to_text(column) }}) in ('false', 'f', 'no', 'n', '0', '0.0', 'off', 'falsch', 'nein', 'faux', 'non', 'falso') then false
    end
    {%- endcall %}
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


{# How the values of an input are written: what a var declares for all inputs, or for this one. Nothing is declared of the demo CRM and of
   what the project keeps itself. #}
{% macro declared(name, input, default=none) %}
    {% set value = var(name, none) if var(input ~ "_file", none) else none %}
    {% if value is mapping %}
        {% set value = value.get(input) %}
    {% endif %}
    {{ return(default if value is none else value) }}
{% endmacro %}
