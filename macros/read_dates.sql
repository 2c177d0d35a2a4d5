{# Local timestamp of a column of any type, in the declared formats and time zone of its input: of a moment with an offset the zone's clock
   (UTC where none is declared), of one without or of a day what is written. Null when blank or unreadable; plausible it need not be
   (is_plausible_date): endless moments are the calendar's first and last day. A typed column takes the first branches, which read no text. #}
{% macro to_timestamp(column, input="deals") -%}
    {{ return(adapter.dispatch("to_timestamp", "pipeline_intelligence")(column, input)) }}
{%- endmacro %}

{% macro default__to_timestamp(column, input) -%}
    {%- set formats = declared("date_format", input, "iso") -%}
    {%- set zone = declared("time_zone", input, "UTC") -%}
    {%- set text = "cast(" ~ column ~ " as " ~ dbt.type_string() ~ ")" -%}
    {%- set moments = {
        "iso": iso_timestamp(text, zone),
        "epoch_s": epoch_timestamp(text, 1, zone),
        "epoch_ms": epoch_timestamp(text, 1000, zone),
        "excel": excel_timestamp(column, declared("decimal_mark", input, ".")),
    } -%}
    {% call on_one_line() -%}
    case
        when typeof({{ column }}) = 'TIMESTAMP WITH TIME ZONE'
            then {{ within_calendar("(" ~ try_cast(column, "timestamp with time zone") ~ " at time zone '" ~ zone ~ "')") }}
        when typeof({{ column }}) = 'DATE' or typeof({{ column }}) like 'TIMESTAMP%' then {{ within_calendar(try_cast(column, "timestamp")) }}
        else coalesce(
            {%- for format in ([formats] if formats is string else formats) %}
            {{ moments[format] if format in moments else pattern_timestamp(text, format, zone) }},
            {%- endfor %}
            null
        )
    end
    {%- endcall %}
{%- endmacro %}

{# A date or timestamp that can be computed with: what lies before year 1 or after 9999 becomes its first or last day. #}
{% macro within_calendar(moment) -%}
    case
        when {{ moment }} between timestamp '0001-01-01' and timestamp '9999-12-31 23:59:59.999999' then {{ moment }}
        when {{ moment }} > timestamp '9999-12-31' then timestamp '9999-12-31'
        when {{ moment }} < timestamp '0001-01-01' then timestamp '0001-01-01'
    end
{%- endmacro %}

{# ISO 8601, strictly. The commonest spellings come first, as a cast reads them; other ones are brought to it: no seconds, a comma before
   their fraction, small letters, a space before the offset, UTC or GMT for it. #}
{% macro iso_timestamp(text, zone) -%}
    {%- set other = to_text(text) -%}
    {%- set plain = "regexp_replace(replace(replace(replace(upper(" ~ other ~ "), ',', '.'), 'UTC', 'Z'), 'GMT', 'Z'), '^(.{10}).(.{5})(:.{2})?([.][0-9]+)? ?(.*)$', '\\1 \\2\\3\\4\\5')" -%}
    {%- set whole = "regexp_replace(" ~ plain ~ ", '^(.{16})([^:].*)?$', '\\1:00\\2')" -%}
    case
        when {{ text }} like '____-__-__' or {{ text }} like '____-__-__ __:__:__' or {{ text }} like '____-__-__T__:__:__'
            then {{ try_cast(text, "timestamp") }}
        when regexp_full_match({{ text }}, '\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.]\d+)?(Z|[+-]\d\d(:?\d\d)?)')
            then {{ try_cast(text, "timestamp with time zone") }} at time zone '{{ zone }}'
        when regexp_full_match({{ other }}, '\d{4}-\d\d-\d\d') then {{ try_cast(other, "timestamp") }}
        when regexp_full_match({{ other }}, '\d{4}-\d\d-\d\d[ Tt]\d\d:\d\d(:\d\d([.,]\d+)?)?') then {{ try_cast(whole, "timestamp") }}
        when regexp_full_match({{ other }}, '(?i)\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)')
            then {{ try_cast(whole, "timestamp with time zone") }} at time zone '{{ zone }}'
        when lower({{ other }}) = 'infinity' then timestamp '9999-12-31'
        when lower({{ other }}) = '-infinity' then timestamp '0001-01-01'
    end
{%- endmacro %}

{# Seconds since 1970 in UTC, `per_second` of them a second, as the clock of a zone. #}
{% macro epoch_timestamp(text, per_second, zone) -%}
    {%- set number = try_cast(to_text(text), "double") -%}
    case
        when regexp_full_match({{ to_text(text) }}, '-?\d{1,15}([.]\d+)?') and abs({{ number }}) < {{ 253402300800 * per_second }}
            then make_timestamp(cast(round({{ number }} * {{ 1000000 // per_second }}) as bigint)) at time zone 'UTC' at time zone '{{ zone }}'
    end
{%- endmacro %}

{# Excel's number of a day, 1 for 1900-01-01, with the time as its fraction, to the second. A number that is none of text has no decimal mark. #}
{% macro excel_timestamp(column, mark) -%}
    {%- set number = try_cast("replace(" ~ to_text(column) ~ ", '" ~ mark ~ "', '.')", "double") -%}
    case
        when (typeof({{ column }}) <> 'VARCHAR' or regexp_full_match({{ to_text(column) }}, '\d{1,7}([{{ mark }}]\d+)?')) and {{ number }} between 1 and 2958465
            then make_timestamp(cast(round(({{ number }} - 25569) * 86400) as bigint) * 1000000)
    end
{%- endmacro %}

{# A pattern of strptime, which the whole value fits. Years of less than four digits are not %Y, and where no mark stands between numbers each
   must have all its digits. Names of months that are not English in full are looked up. #}
{% macro pattern_timestamp(text, pattern, zone) -%}
    {%- set value = to_text(text) -%}
    {%- set at_zone = " at time zone '" ~ zone ~ "'" if "%z" in pattern or "%Z" in pattern else "" -%}
    {%- set literal = pattern | replace("'", "''") -%}
    {%- set number_pattern = literal | replace("%b", "#%m") | replace("%B", "#%m") -%}
    {%- set moments = ["(try_strptime(" ~ value ~ ", '" ~ literal ~ "')" ~ at_zone ~ ")"] -%}
    {%- if number_pattern != literal -%}
        {%- do moments.append("(try_strptime(" ~ month_as_number(value, '' if '%b.' in pattern or '%B.' in pattern else '[.]?') ~ ", '" ~ number_pattern ~ "')" ~ at_zone ~ ")") -%}
    {%- endif -%}
    {%- set is_packed = modules.re.search("%[A-Za-z]%[A-Za-z]", pattern) and not modules.re.search("%[^YymdHMS]", pattern) -%}
    coalesce(
        {%- for moment in moments %}
        case
            when
                {{ moment }} >= timestamp '1000-01-01'
                {%- if is_packed %} and length({{ value }}) = {{ pattern | replace("%Y", "0000") | length }}{% endif %}
                then {{ moment }}
        end{{ "," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# A text with the name of a month, short or whole, in the languages of month_names(), replaced by # and its number; `dot` is what may end a short one. #}
{% macro month_as_number(text, dot) -%}
    {%- set value = namespace(text = text) -%}
    {%- for names in month_names() -%}
        {%- set value.text = "regexp_replace(" ~ value.text ~ ", '(?i)(^|[^\\p{L}])(?:" ~ names ~ ")" ~ dot ~ "($|[^\\p{L}])', '\\1#" ~ loop.index ~ "\\2')" -%}
    {%- endfor -%}
    {{ value.text }}
{%- endmacro %}

{# Names of each month in English, German, French, Spanish, Italian, Portuguese and Dutch, as alternatives of a regular expression. #}
{% macro month_names() %}
    {{ return([
        "january|jan|januar|jän|jänner|janvier|janv|enero|ene|gennaio|gen|janeiro|januari",
        "february|feb|februar|février|févr|fév|febrero|febbraio|fevereiro|fev|februari",
        "march|mar|märz|mär|mrz|mars|marzo|março|maart|mrt",
        "april|apr|avril|avr|abril|abr|aprile",
        "may|mai|mayo|maggio|mag|maio|mei",
        "june|jun|juni|juin|junio|giugno|giu|junho",
        "july|jul|juli|juillet|juil|julio|luglio|lug|julho",
        "august|aug|août|aoû|agosto|ago|augustus",
        "september|sept|sep|septembre|septiembre|settembre|sett|set|setembro",
        "october|oct|oktober|okt|octobre|octubre|ottobre|ott|outubro|out",
        "november|nov|novembre|noviembre|novembro",
        "december|dec|dezember|dez|décembre|déc|diciembre|dic|dicembre|dezembro",
    ]) }}
{% endmacro %}

{# Can a date be a business date at all? From 1990 to ten years after the as-of date; null stays null. #}
{% macro is_plausible_date(date, as_of_date) -%}
    {{ date }} between date '1990-01-01' and cast({{ dbt.dateadd("year", 10, as_of_date) }} as date)
{%- endmacro %}
