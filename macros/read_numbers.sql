{# Money of text or of a number, in the declared decimal mark of its input; null when blank or unreadable. #}
{% macro to_amount(column, input="deals") -%}
    {{ to_number(column, input, "decimal(18, 2)") }}
{%- endmacro %}

{# A number of a column of any type. Plain text is read first, by a cast; then thousands marks, currencies and ways to write a minus. #}
{% macro to_number(column, input="deals", type="double") -%}
    {%- set mark = declared("decimal_mark", input, ".") -%}
    {%- set text = "cast(" ~ column ~ " as " ~ dbt.type_string() ~ ")" -%}
    {%- set group = "." if mark == "," else "," -%}
    {%- set number = try_cast("replace(" ~ text ~ ", ',', '.')" if mark == "," else text, type) -%}
    {%- set plain = "case when not contains(" ~ text ~ ", '.') then " ~ number ~ " end" if mark == "," else number -%}
    {#- DuckDB computes the second branch of a coalesce for all rows, unless it is a case. -#}
    {% call on_one_line() -%}
    case
        when typeof({{ column }}) <> 'VARCHAR' then {{ try_cast(column, type) }}
        else coalesce({{ plain }}, case
            when regexp_full_match({{ text }}, '[$€£]?[1-9]\d{0,2}([{{ group }}]\d{3})*([{{ mark }}]\d+)?( ?[$€£])?')
                then {{ try_cast("replace(replace(trim(" ~ text ~ ", ' $€£'), '" ~ group ~ "', ''), ',', '.')", type) }}
            else {{ written_number(text, mark, type) }}
        end)
    end
    {%- endcall %}
{%- endmacro %}

{# A number as people write it, read whole or not at all: '$31,729.88', '-1 234,50 EUR', '(12)'. Thousands are well-formed groups of three
   (or Indian ones: 12,34,567) behind one kind of mark, a currency stands before or after, and there is one minus, or brackets. #}
{% macro written_number(text, mark, type) -%}
    {%- set value = "translate(" ~ to_text(text) ~ ", '−–', '--')" -%}
    {%- set group = "[.]" if mark == "," else "," -%}
    {%- set digits = [
        "[1-9]\\d{0,2}(?:" ~ group ~ "\\d{3})+", "[1-9]\\d?(?:,\\d{2})+,\\d{3}" if mark == "." else "\\d+", "[1-9]\\d{0,2}(?:\\p{Zs}\\d{3})+",
        "[1-9]\\d{0,2}(?:[''’]\\d{3})+", "\\d+",
    ] | join("|") -%}
    {%- set number = "((?:" ~ digits ~ ")(?:[" ~ mark ~ "]\\d*)?|[" ~ mark ~ "]\\d+)" -%}
    {%- set currency = "(?:" ~ currency_names() ~ ")" -%}
    {%- set shape = "[-+(]?\\p{Zs}*(?:" ~ currency ~ "\\p{Zs}*)?[-+(]?\\p{Zs}*" ~ number ~ "(?:\\p{Zs}*[-)])?(?:\\p{Zs}*" ~ currency ~ ")?(?:\\p{Zs}*[-)])?" -%}
    {%- set read = try_cast("replace(regexp_replace(regexp_extract(" ~ value ~ ", '^" ~ shape ~ "$', 1), '[^0-9" ~ mark ~ "]', '', 'g'), '" ~ mark ~ "', '.')", type) -%}
    case
        when not regexp_full_match({{ value }}, '{{ shape }}') then null
        when regexp_replace({{ value }}, '[^-+()]', '', 'g') in ('', '+') then {{ read }}
        when regexp_replace({{ value }}, '[^-+()]', '', 'g') in ('-', '()') then -{{ read }}
    end
{%- endmacro %}

{# How currencies are written, as alternatives of a regular expression: their signs, some with letters before, and the codes of ISO 4217. #}
{% macro currency_names() -%}
    [A-Z]{0,3}\p{Sc}|[Kk]r[.]?|zł|Kč|Ft|lei|Rs[.]?|Fr[.]?|AED|AFN|ALL|AMD|ANG|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|CDF|CHF|CLP|CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|GTQ|GYD|HKD|HNL|HRK|HTG|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|LBP|LKR|LRD|LSL|LYD|MAD|MDL|MGA|MKD|MMK|MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|MZN|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PGK|PHP|PKR|PLN|PYG|QAR|RON|RSD|RUB|RWF|SAR|SBD|SCR|SDG|SEK|SGD|SHP|SLE|SOS|SRD|SSP|STN|SVC|SYP|SZL|THB|TJS|TMT|TND|TOP|TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VES|VND|VUV|WST|XAF|XCD|XOF|XPF|YER|ZAR|ZMW|ZWL
{%- endmacro %}

{# A probability from 0 to 1, null when blank, unreadable or outside. `75%` is 0.75; other numbers are hundredths where the whole column is
   percent (int_probability_scales). #}
{% macro to_probability(column, input="deals") -%}
    {%- set is_percent = "(select scales.is_percent from " ~ ref("int_probability_scales") ~ " as scales where scales.input = '" ~ input ~ "')" -%}
    {%- set share = to_number(column, input) ~ " / case when " ~ is_percent ~ " then 100 else 1 end" -%}
    coalesce(case when {{ share }} between 0 and 1 then {{ share }} end, case when {{ to_percent(column, input) }} between 0 and 100 then {{ to_percent(column, input) }} / 100 end)
{%- endmacro %}

{# The number before a % sign; null of what ends otherwise. #}
{% macro to_percent(column, input) -%}
    case when ends_with({{ to_text(column) }}, '%') then {{ to_number("regexp_replace(" ~ to_text(column) ~ ", '\\p{Zs}*%$', '')", input) }} end
{%- endmacro %}
