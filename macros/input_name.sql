{# What the input is called in rows that are kept from build to build, so that those of the demo, of two inputs or of two tenants in one
   database never meet: the var input_name, or `demo`, or a name made of deals_file, a path or a table. #}
{% macro input_name() %}
    {% if not reads_files() %}
        {{ return("demo") }}
    {% endif %}
    {{ return(var("input_name", none) or name_of_path(source_of("deals") | join(".") if source_of("deals") else var("deals_file"))) }}
{% endmacro %}


{# The same as SQL text. #}
{% macro input_name_text() -%}
    '{{ input_name() | replace("'", "''") }}'
{%- endmacro %}


{# A path without its ending, wildcards, dates and times of day, so that the export of the next day is the same input: exports/acme_2025-12-31.csv
   is exports/acme. Other numbers stay, because tenant_1 and tenant_2 are two. #}
{% macro name_of_path(path) -%}
    {%- set day, month, year = "(?:3[01]|[12][0-9]|0?[1-9])", "(?:1[0-2]|0?[1-9])", "(?:19|20)[0-9]{2}" -%}
    {%- set month_name = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?" -%}
    {%- set time = "(?:[-_t ]+[0-2][0-9][-_.:h]?[0-5][0-9](?:[-_.:m]?[0-5][0-9])?(?:[.][0-9]+)?z?)?" -%}
    {%- set dates = [
        year ~ "[-_./ ]" ~ month ~ "[-_./ ]" ~ day ~ time,
        year ~ "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[-_t ]?[0-2][0-9][0-5][0-9](?:[0-5][0-9])?z?)?",
        day ~ "[-_. ]" ~ day ~ "[-_. ]" ~ year ~ time,
        day ~ "[.]" ~ day ~ "[.][0-9]{2}",
        "(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|[12][0-9]|3[01])" ~ year,
        "(?:[0-9]{1,4}[-. ]?)?(?<![a-z])" ~ month_name ~ "(?:[-_. ]?[0-9]{1,4}){1,2}(?![a-z])",
        year ~ "[-_. ]?(?<![a-z])" ~ month_name ~ "(?![a-z])",
        year ~ "[-_. ]?(?:q[1-4]|(?:w|cw|kw)[-_. ]?[0-9]{1,2})",
        "(?<![a-z])q[1-4][-_. ]?" ~ year,
        year ~ "[-_./ ]?(?:0[1-9]|1[0-2])",
        "(?:0[1-9]|1[0-2])[-.]" ~ year,
        "1[0-9]{9}(?:[0-9]{3})?",
        year,
    ] -%}
    {%- set name = modules.re.sub("(?i)([.](csv|tsv|txt|gz|zip|parquet|pq|xlsx))+$", "", path | string) -%}
    {%- set name = modules.re.sub("[*?]+|\\[[^\\]]*\\]|[ ]?[(][0-9]+[)]", "", name) -%}
    {%- set name = modules.re.sub("(?i)(?<![a-z])(year|month|day|date|dt)=", "", name) -%}
    {#- The longest first, each by itself: of tenant_1_2025-12-31 the 1 stays. -#}
    {%- set names = [name] -%}
    {%- for date in dates -%}
        {%- do names.append(modules.re.sub("(?i)(?<![0-9])(?:" ~ date ~ ")(?![0-9])", "", names[-1])) -%}
    {%- endfor -%}
    {%- set parts = [] -%}
    {%- for part in names[-1].replace("\\", "/").split("/") -%}
        {%- do parts.append(modules.re.sub("[-_. ]{2,}", "_", part).strip("-_. ")) -%}
    {%- endfor -%}
    {%- set name = ("/" if names[-1].startswith("/") and name.startswith("/") else "") ~ parts | select | join("/") -%}
    {{- (name ~ "_file") if name in ["demo", unknown_input_name()] else name if name.strip("/") else "deals" -}}
{%- endmacro %}


{# Of rows that were kept by a version that gave them no name, where it isn't certain whose they are. #}
{% macro unknown_input_name() -%}
    before_0.2
{%- endmacro %}
