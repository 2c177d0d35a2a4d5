{# Ends a build: its public marts go to the file that BI tools read (SALES_MARTS_DB), but only when all there is in the project was built
   and tested, and passed or warned. A selected, failed or stopped build leaves the published file as it is; so does one that went too far
   from what is usual, which fails. Then it says in a few lines what went in and what to look at. #}
{% macro publish(results) %}
    {% if execute and flags.WHICH == "build" and own_nodes(selected_resources) %}
        {% set file = env_var("SALES_MARTS_DB", "marts.duckdb") %}
        {% set reason = why_not_published(results) %}
        {% if reason %}
            {% do log(file ~ " was not published: " ~ reason, info=true) %}
        {% else %}
            {% set request = tojson(publish_request(), sort_keys=true) %}
            {% set done = fromjson(run_query("select publish_marts('" ~ file | replace("'", "''") ~ "', '" ~ request | replace("'", "''") ~ "')").rows[0][0]) %}
            {% for line in done.summary %}
                {% do log(line, info=true) %}
            {% endfor %}
            {% if done.problems %}
                {% do exceptions.raise_compiler_error(file ~ " was not published: " ~ done.problems | join(".\n" ~ file ~ " was not published: ") ~ ".") %}
            {% endif %}
        {% endif %}
    {% endif %}
{% endmacro %}


{% macro why_not_published(results) %}
    {% if flags.EMPTY %}
        {{ return("--empty builds no rows") }}
    {% endif %}
    {# Saved queries and exposures are nodes that have nothing to run. Of another project that has this one as a package no node counts. #}
    {% set built = own_nodes(results | map(attribute="node.unique_id")) %}
    {% set passed = own_nodes(results | selectattr("status", "in", ["success", "pass", "warn", "no-op"]) | map(attribute="node.unique_id")) %}
    {% if passed | length < built | length %}
        {{ return("a node did not pass") }}
    {% endif %}
    {% set node = part_left_out(passed) %}
    {% if node %}
        {{ return("only a part was built, without " ~ node) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}


{# A node of a whole build that isn't among those with the ids; none if all are. #}
{% macro part_left_out(ids) %}
    {% for node in graph.nodes.values()
        if node.package_name == "pipeline_intelligence" and node.resource_type in ["model", "seed", "snapshot", "test"] and node.config.enabled and "code" not in node.config.tags
        and node.unique_id not in ids %}
        {{ return(node.name) }}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}


{# What tools/publish.py asks for. #}
{% macro publish_request() %}
    {% set marts = {} %}
    {% set codes = [] %}
    {% set relations = {} %}
    {% for node in graph.nodes.values() | sort(attribute="unique_id") if node.package_name == "pipeline_intelligence" and node.resource_type == "seed" and node.fqn[1] == "reference" %}
        {% do codes.append(node.checksum.checksum) %}
    {% endfor %}
    {% for node in graph.nodes.values() | sort(attribute="unique_id") if node.package_name == "pipeline_intelligence" and node.resource_type == "model" %}
        {% do relations.update({node.name: node.relation_name}) %}
        {% if node.access == "public" %}
            {% set columns = {} %}
            {% for column in node.columns.values() %}
                {% do columns.update({column.name: column.description}) %}
            {% endfor %}
            {% do marts.update({node.name: {"relation": node.relation_name, "description": node.description, "columns": columns}}) %}
        {% endif %}
        {# Staging alone says where the input lies, which decides nothing. What an incremental model compiles to depends on whether it has a table. #}
        {% if node.fqn[1] != "staging" %}
            {% set code = node.raw_code if node.config.materialized == "incremental" else node.compiled_code %}
            {% do codes.append(code ~ tojson(node.config.meta, sort_keys=true)) %}
        {% endif %}
    {% endfor %}
    {% set inputs = [
        "int_deals", "int_stage_history", "int_checked__field_history", "int_checked__activities", "int_checked__interventions",
        "int_checked__reps", "int_checked__quotas", "int_checked__forecast_calls", "int_exchange_rates", "int_stages", "int_playbook", "int_alert_rules", "fct_quarantined_rows",
    ] %}
    {% set input_relations = [] %}
    {% for name in inputs %}
        {% do input_relations.append(relations[name]) %}
    {% endfor %}
    {% set limits = {} %}
    {% for name in ["max_rejected_share", "max_rejected_open_share", "max_row_count_change"] %}
        {% do limits.update({name: var(name)}) %}
    {% endfor %}
    {{ return({
        "marts": marts,
        "inputs": input_relations,
        "input_name": input_name(),
        "may_replace": var("replace_published_input"),
        "limits": limits,
        "as_of": relations.int_as_of,
        "row_counts": relations.int_input_row_counts,
        "rejected_rows": relations.int_rejected_rows,
        "judged_deals": relations.int_judged_deals,
        "is_open_and_rejected": is_open_and_rejected(),
        "code": local_md5(codes | join("|")),
        "project_version": graph.nodes["model.pipeline_intelligence.int_current_score_build"].config.meta.project_version,
        "dbt_version": dbt_version,
        "published_at": run_started_at.strftime("%Y-%m-%d %H:%M:%S"),
    }) }}
{% endmacro %}
