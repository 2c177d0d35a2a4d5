{# Stops a build before its first node when the input can't be read, with one sentence that names the file, the column and the
   remedy; the marts of the last good build stay as they are. Lines of a CSV that don't have the header's number of fields don't
   stop it: they are kept in `staging.rejected_lines`, and quarantined from there. #}
{% macro check_inputs() %}
    {% if execute and flags.WHICH in ["build", "run", "seed", "test", "snapshot"] %}
        {% set inputs = input_contract().keys() | list %}
        {% if not var("deals_file", none) %}
            {% for input in inputs if input not in reference_inputs() and var(input ~ "_file", none) %}
                {% do stop(input ~ "_file is set without deals_file: set deals_file too, or unset it to build the demo CRM") %}
            {% endfor %}
        {% endif %}
        {% do check_mapping(inputs) %}
        {% do check_dates() %}
        {% do check_keep_history() %}
        {% do check_holdout() %}
        {% do run_query("create schema if not exists staging") %}
        {% do run_query(
            "create or replace table staging.rejected_lines "
            ~ "(input varchar, file_name varchar, line_number bigint, error varchar, line varchar)"
        ) %}
        {% for input in inputs if var(input ~ "_file", none) %}
            {% do check_file(input, var(input ~ "_file")) %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{% macro stop(sentence) %}
    {% do exceptions.raise_compiler_error("Input check: " ~ sentence ~ ".") %}
{% endmacro %}


{% macro check_mapping(inputs) %}
    {% set mapping = var("column_mapping", none) or {} %}
    {% if mapping is not mapping %}
        {% do stop("column_mapping must be a mapping of canonical column to the file's column, such as {deal_id: 'Opportunity ID'}") %}
    {% endif %}
    {% for key, value in mapping.items() %}
        {% set input = key if value is mapping else "deals" %}
        {% if input not in inputs %}
            {% do stop("column_mapping names the input '" ~ input ~ "', which is none of " ~ inputs | join(", ")) %}
        {% endif %}
        {% for column in (value.keys() if value is mapping else [key]) if column not in input_columns(input) %}
            {% do stop(
                "column_mapping maps '" ~ column ~ "', which is no canonical column of " ~ input ~ ": map one of "
                ~ input_columns(input) | join(", ")
            ) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{% macro check_dates() %}
    {% set found = {} %}
    {% for name in ["as_of_date", "train_as_of_date"] if var(name, none) %}
        {% set quoted = "'" ~ var(name) | string | replace("'", "''") ~ "'" %}
        {% do found.update({name: run_query("select try_cast(" ~ quoted ~ " as date)").rows[0][0]}) %}
        {% if found[name] is none %}
            {% do stop(name ~ " is '" ~ var(name) ~ "', which is no date: write it as YYYY-MM-DD") %}
        {% endif %}
    {% endfor %}
    {% if found | length == 2 and found.train_as_of_date > found.as_of_date %}
        {% do stop(
            "train_as_of_date " ~ found.train_as_of_date ~ " is after as_of_date " ~ found.as_of_date
            ~ ": a fit can't know what comes later; give an earlier date, or unset it to train as of as_of_date"
        ) %}
    {% endif %}
{% endmacro %}


{% macro check_holdout() %}
    {% set percent = var("holdout_percent") %}
    {% if percent is not integer or percent < 0 or percent > 99 %}
        {% do stop("holdout_percent is '" ~ percent ~ "', which is no whole number from 0 to 99") %}
    {% endif %}
{% endmacro %}


{% macro check_file(input, path) %}
    {% set variable = input ~ "_file" %}
    {% set quoted = "'" ~ path | replace("'", "''") ~ "'" %}
    {% set files = run_query("select filename, size from read_blob(" ~ quoted ~ ") order by 1").rows
        if run_query("select count(*) from glob(" ~ quoted ~ ")").rows[0][0] else [] %}
    {% if not files %}
        {% do stop(variable ~ " '" ~ path ~ "' names no file: correct the path (a relative one starts where dbt is called)") %}
    {% endif %}
    {% for file, size in files %}
        {% if size == 0 %}
            {% do stop(variable ~ " '" ~ file ~ "' is empty (0 bytes): export it again with a header line") %}
        {% endif %}
        {% if not is_parquet(path) %}
            {% do keep_rejected_lines(input, variable, file) %}
        {% endif %}
    {% endfor %}
    {% set found = run_query("select column_name from (describe select * from " ~ file_scan(path) ~ ")").columns[0].values() | map("lower") | list %}
    {% for column in input_contract()[input].required if file_column(input, column) | lower not in found %}
        {% do stop(
            variable ~ " '" ~ path ~ "' has no column '" ~ file_column(input, column) ~ "' (canonical " ~ column
            ~ "; found: " ~ found | join(", ") ~ "): rename the column or map it with the column_mapping var"
        ) %}
    {% endfor %}
    {% for column in input_contract()[input].optional
        if file_column(input, column) != column and file_column(input, column) | lower not in found %}
        {% do stop(
            variable ~ " '" ~ path ~ "' has no column '" ~ file_column(input, column) ~ "', to which column_mapping maps "
            ~ column ~ " (found: " ~ found | join(", ") ~ "): correct the mapping"
        ) %}
    {% endfor %}
    {% if input in ["deals"] + reference_inputs() and not run_query("select 1 from " ~ file_scan(path) ~ " limit 1").rows %}
        {% do stop(variable ~ " '" ~ path ~ "' has a header and no row that can be read: export it again with its data") %}
    {% endif %}
    {% if input == "stages" %}
        {% do check_stages(variable, path) %}
    {% endif %}
    {% if input == "playbook" %}
        {% set row = run_query(play_problems("(" ~ read_input("playbook") ~ ") as plays") ~ " order by 1, 2 limit 1").rows %}
        {% if row %}
            {% do stop(variable ~ " '" ~ path ~ "' can't be used: " ~ row[0][1] ~ " (play '" ~ (row[0][0] or "(blank)") ~ "'); correct the file") %}
        {% endif %}
    {% endif %}
    {% if input == "deals" and file_column(input, "currency_code") | lower in found %}
        {% do check_currency(variable, path, file_column(input, "currency_code")) %}
    {% endif %}
{% endmacro %}


{% macro keep_rejected_lines(input, variable, file) %}
    {% do run_query("drop table if exists input_rejects; drop table if exists input_scans") %}
    {% do run_query(
        "select count(columns(*)) from "
        ~ file_scan(file, "store_rejects = true, rejects_table = 'input_rejects', rejects_scan = 'input_scans'")
    ) %}
    {% set bad = run_query("select min(line) from input_rejects where error_type = 'INVALID ENCODING'").rows[0][0] %}
    {% if bad %}
        {% do stop(variable ~ " '" ~ file ~ "' is not UTF-8 text (first seen in line " ~ bad ~ "): save it as UTF-8") %}
    {% endif %}
    {% do run_query(
        "insert into staging.rejected_lines select distinct '" ~ input ~ "', '" ~ file | replace("'", "''")
        ~ "', line, lower(error_type), csv_line from input_rejects"
    ) %}
{% endmacro %}


{% macro check_currency(variable, path, column) %}
    {% set currencies = run_query(
        "select distinct upper(trim(cast(\"" ~ column ~ "\" as varchar))) from " ~ file_scan(path)
        ~ " where trim(cast(\"" ~ column ~ "\" as varchar)) <> '' order by 1 limit 6"
    ).columns[0].values() | list %}
    {% if currencies | length > 1 %}
        {% do stop(
            variable ~ " '" ~ path ~ "' mixes currencies in '" ~ column ~ "' (" ~ currencies | join(", ")
            ~ "): convert deal_amount to one currency first"
        ) %}
    {% endif %}
{% endmacro %}


{% macro check_stages(variable, path) %}
    {% set stages %}
        select
            {{ to_text('stage') }} as stage,
            {{ try_cast('stage_order', 'integer') }} as stage_order,
            {{ try_cast('is_closed', 'boolean') }} as is_closed,
            {{ to_text('is_won') }} is null or {{ try_cast('is_won', 'boolean') }} is not null as has_is_won,
            {{ to_text('default_probability') }} is null
            or {{ try_cast('default_probability', 'double') }} between 0 and 1 as has_probability
        from ({{ read_input('stages') }})
    {% endset %}
    {% set problems = {
        "a stage is blank": "stage is null",
        "it has more than 50 stages": "(select count(*) from stages) > 50",
        "a stage stands in it twice": "stage in (select stage from stages group by stage having count(*) > 1)",
        "a stage_order is no whole number": "stage_order is null",
        "a stage_order stands in it twice": "stage_order in (select stage_order from stages group by stage_order having count(*) > 1)",
        "an is_closed is neither true nor false": "is_closed is null",
        "an is_won is neither true, false nor blank": "not has_is_won",
        "a default_probability is no number from 0 to 1": "not has_probability",
    } %}
    {% for problem, condition in problems.items() %}
        {% set row = run_query("with stages as (" ~ stages ~ ") select coalesce(stage, '(blank)') from stages where " ~ condition ~ " order by 1 limit 1").rows %}
        {% if row %}
            {% do stop(variable ~ " '" ~ path ~ "' can't be used: " ~ problem ~ " (stage '" ~ row[0][0] ~ "'); correct the file") %}
        {% endif %}
    {% endfor %}
{% endmacro %}
