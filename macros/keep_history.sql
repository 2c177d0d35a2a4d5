{# Does the project keep the history of an input itself? It does if it is told to and the CRM gives none. #}
{% macro keeps_history(input=none) %}
    {{ return(var("keep_history", false) and reads_files() and not (input and var(input ~ "_file", none))) }}
{% endmacro %}


{# The inputs whose history is kept. #}
{% macro kept_inputs() %}
    {% set inputs = [] %}
    {% for input in ["stage_history", "field_history"] if keeps_history(input) %}
        {% do inputs.append(input) %}
    {% endfor %}
    {{ return(inputs) }}
{% endmacro %}


{# Before anything is kept: a day long after the file's newest date is a typo, which would date for ever what is kept. #}
{% macro check_kept_day() %}
    {% if execute %}
        {% set newest, days = run_query(
            "select max(newest_date), cast('" ~ var("as_of_date") ~ "' as date) - max(newest_date) from (select greatest(created_date, "
            ~ "case when lower(outcome) in ('won', 'lost') then closed_date end, cast(updated_at as date)) as newest_date from "
            ~ ref("int_parsed__deals") ~ " where reason_codes is null) as dates where newest_date <= cast('" ~ var("as_of_date") ~ "' as date)"
        ).rows[0] %}
        {% if days and days > 31 %}
            {% do exceptions.raise_compiler_error(
                "Input check: keep_history would date what it keeps " ~ var("as_of_date") ~ ", " ~ days ~ " days after the newest date of '" ~ var("deals_file")
                ~ "', " ~ newest ~ ", and that can't be corrected later: correct as_of_date, or unset keep_history until the CRM has newer dates."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{# After it: a build that keeps nothing says why. #}
{% macro say_what_was_kept() %}
    {% if execute %}
        {% set as_of_date = var("as_of_date") | string %}
        {% set kept, newest = run_query(
            "select count(case when observed_date = cast('" ~ as_of_date ~ "' as date) then 1 end), max(observed_date) from " ~ this
            ~ " where input_name = " ~ input_name_text()
        ).rows[0] %}
        {% set later, latest = run_query(
            "select count(*), max(latest_date) from (select greatest(created_date, case when lower(outcome) in ('won', 'lost') then closed_date end, "
            ~ "cast(updated_at as date)) as latest_date from " ~ ref("int_parsed__deals") ~ " where reason_codes is null) as dates "
            ~ "where latest_date > cast('" ~ as_of_date ~ "' as date)"
        ).rows[0] %}
        {% if newest and newest | string > as_of_date %}
            {% set reason = "what is kept knows " ~ newest ~ " already, and is only added to by later days" %}
        {% elif later %}
            {% set reason = later ~ " rows of '" ~ var("deals_file") ~ "' are of later days, the newest of " ~ latest ~ ", so it is not the export of that day" %}
        {% else %}
            {% set reason = "nothing changed since " ~ newest if newest else "no open deal has a value that could change" %}
        {% endif %}
        {% if not kept or newest | string > as_of_date %}
            {% do log("keep_history added nothing as of " ~ as_of_date ~ ": " ~ reason, info=true) %}
        {% endif %}
    {% endif %}
{% endmacro %}
