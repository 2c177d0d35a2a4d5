{# Stops a build before its first node when a var or an input can't be used, with all that is wrong, a sentence each; the marts of the last good
   build stay as they are. What can be used lands in the schema `landing`, lines that have another number of fields than the header too:
   they are quarantined from there. The work is done by the package `intake`. As a part of another project it does nothing where none of its own
   nodes were selected. #}
{% macro check_inputs() %}
    {% if execute and flags.WHICH in ["build", "run", "seed", "test", "snapshot"] and own_nodes(selected_resources) %}
        {% do check_profile() %}
        {% set variables = {} %}
        {% for name in fromjson(run_query("select project_vars()").rows[0][0]) %}
            {# YAML makes a date of 2025-12-31 without quotes. #}
            {% set value = var(name, none) %}
            {% do variables.update({name: value.isoformat() if value.isoformat is defined else value}) %}
        {% endfor %}
        {% set request = tojson({
            "contract": input_contract(),
            "reference_inputs": reference_inputs(),
            "variables": variables,
            "given": (invocation_args_dict.get("vars") or {}).keys() | list,
            "is_landing": flags.WHICH in ["build", "run"],
            "is_own_project": project_name == "pipeline_intelligence",
            "input_name": input_name(),
            "source_tables": source_tables(),
            "published_file": env_var("SALES_MARTS_DB", "marts.duckdb") if flags.WHICH == "build" and not part_left_out(selected_resources) else none,
        }) %}
        {% set problems = fromjson(run_query("select check_inputs('" ~ request | replace("'", "''") ~ "')").rows[0][0]) %}
        {% if not problems and var("playbook_file", none) and flags.WHICH in ["build", "run"] %}
            {% for play_id, problem in run_query(play_problems("landing.playbook") ~ " order by 1, 2").rows %}
                {% do problems.append("playbook_file '" ~ var("playbook_file") ~ "' can't be used: " ~ problem ~ " (play '" ~ (play_id or "(blank)") ~ "'); correct the file") %}
            {% endfor %}
        {% endif %}
        {% if problems %}
            {% do exceptions.raise_compiler_error("Input check: " ~ (problems | join(".\nInput check: ") ~ ".") | replace("?.", "?")) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{# Stops a build whose profile, that of another project, doesn't load the functions that read the input and publish the marts, or would read
   moments in the machine's time zone. #}
{% macro check_profile() %}
    {% set names = ["project_vars", "check_inputs", "publish_marts"] %}
    {% set count, zone = run_query(
        "select count(distinct function_name), current_setting('TimeZone') from duckdb_functions() where function_name in ('" ~ names | join("', '") ~ "')"
    ).rows[0] %}
    {% if count < names | length %}
        {% do exceptions.raise_compiler_error(
            "Input check: the profile '" ~ target.profile_name ~ "' doesn't load pipeline_intelligence: give its target module_paths with the folder of this "
            ~ "package, and the plugins intake.plugin and tools.publish, as docs/as_a_package.md shows."
        ) %}
    {% elif zone != "UTC" %}
        {% do exceptions.raise_compiler_error(
            "Input check: the profile '" ~ target.profile_name ~ "' has the TimeZone " ~ zone ~ ": set TimeZone to UTC in its settings, as docs/as_a_package.md shows."
        ) %}
    {% endif %}
{% endmacro %}


{# Of ids of nodes those that are this project's. #}
{% macro own_nodes(ids) %}
    {% set own = [] %}
    {% for id in ids if id.split(".")[1] == "pipeline_intelligence" %}
        {% do own.append(id) %}
    {% endfor %}
    {{ return(own) }}
{% endmacro %}
