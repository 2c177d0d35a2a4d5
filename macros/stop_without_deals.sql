{# Stops a build before its marts where no deal is left to speak of: every row was turned away, or every open deal. The sentence says how many,
   the commonest reasons with a value, and what to do. Runs when int_judged_deals is made, so all that needs it is skipped. #}
{% macro stop_without_deals() %}
    {% if execute %}
        {% set found = run_query(
            "select count(case when reason_codes is null then 1 end), count(case when reason_codes is null and outcome = 'Open' then 1 end), "
            ~ "coalesce(sum(case when " ~ is_open_and_rejected() ~ " then row_count end), 0), coalesce(sum(row_count), 0) from " ~ this
        ).rows[0] %}
        {% set input = "deals_file '" ~ var("deals_file") ~ "'" if reads_files() else "the demo CRM" %}
        {% if not found[3] %}
            {% do exceptions.raise_compiler_error("Input check: no row of " ~ input ~ " is left: all are dated after the as-of date, or filtered out; correct as_of_date or the filters.") %}
        {% elif not found[0] %}
            {% do exceptions.raise_compiler_error("Input check: none of the " ~ found[3] ~ " rows of " ~ input ~ " could be accepted: " ~ commonest_reasons("true")) %}
        {% elif found[2] and not found[1] and var("max_rejected_open_share") < 1 %}
            {% do exceptions.raise_compiler_error(
                "Input check: all " ~ found[2] ~ " open deals of " ~ input ~ " were turned away: " ~ commonest_reasons(is_open_and_rejected())
                ~ " To build without them, set max_rejected_open_share to 1."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{# A rejected row of a deal that is open for all one knows: what has an outcome that can't be read may have been won or lost. #}
{% macro is_open_and_rejected() -%}
    (reason_codes is not null and outcome = 'Open' and not contains(reason_codes, 'outcome_unknown'))
{%- endmacro %}


{# The three reasons that most rejected rows of `this` have, each with how many and a value, and the remedy. #}
{% macro commonest_reasons(condition) %}
    {% set clauses = [] %}
    {% for code, row_count, value in run_query(
        "with reasons as (select unnest(string_split(reason_codes, ', ')) as code, raw_values, row_count from " ~ this
        ~ " where reason_codes is not null and " ~ condition ~ "), "
        ~ "named as (select *, regexp_replace(code, '_(unreadable|unknown|missing|implausible|not_positive|too_large|conflicting)$', '') as name from reasons) "
        ~ "select code, sum(row_count), min(json_extract_string(raw_values, '$.' || name)) from named group by code order by 2 desc, 1 limit 3"
    ).rows %}
        {% do clauses.append(row_count ~ " " ~ code ~ (" (such as '" ~ value[:60] ~ "')" if value else "")) %}
    {% endfor %}
    {{ return(clauses | join(", ") ~ ". Correct the file, or say how it is written: column_mapping, date_format and the other vars of docs/vars.md.") }}
{% endmacro %}
