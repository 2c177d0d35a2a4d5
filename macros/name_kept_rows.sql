{# Rows that a version before 0.2 kept have no name of their input. They get one where it is certain: the demo's, where none but the demo's alerts
   were ever kept and all deals are the demo's; this build's, where none of the demo's alerts were, and all deals are this input's. #}
{% macro name_kept_rows() %}
    {% if execute and flags.WHICH in ["build", "run"] and own_nodes(selected_resources) %}
        {% set kept = {} %}
        {% for name in [
            "int_kept_score_terms", "int_kept_deal_scores", "int_kept_score_changes", "fct_deal_score_history", "fct_alert_events", "int_kept_changes",
        ] %}
            {% set schema = graph.nodes["model.pipeline_intelligence." ~ ("fct_deals" if name.startswith("fct_") else "int_deals")].schema %}
            {% set relation = adapter.get_relation(target.database, schema, name) %}
            {% if relation and "input_name" not in adapter.get_columns_in_relation(relation) | map(attribute="name") %}
                {% do kept.update({name: relation.include(database=false)}) %}
            {% endif %}
        {% endfor %}
        {% if kept %}
            {% set names = names_of_kept_rows(kept) %}
            {% for name, relation in kept.items() %}
                {% if name == "fct_alert_events" %}
                    {% do run_query("alter table " ~ relation ~ " rename column alert_source to input_name") %}
                    {% do run_query("update " ~ relation ~ " set input_name = '" ~ names.files | replace("'", "''") ~ "' where input_name <> 'demo'") %}
                {% else %}
                    {% do run_query("alter table " ~ relation ~ " add column input_name varchar") %}
                    {% do run_query("update " ~ relation ~ " set input_name = '" ~ names.others | replace("'", "''") ~ "'") %}
                {% endif %}
            {% endfor %}
            {% do adapter.commit() %}
            {% if unknown_input_name() | trim in names.values() %}
                {% do log("Scores and alerts that were kept before are called " ~ unknown_input_name() ~ " in input_name, because they may be of another input: this build begins a history of its own", info=true) %}
            {% else %}
                {% do log("Scores and alerts that were kept before are those of the input " ~ names.others, info=true) %}
            {% endif %}
        {% endif %}
    {% endif %}
{% endmacro %}


{# {files: name of kept alerts that aren't the demo's, others: name of the other tables' rows}. #}
{% macro names_of_kept_rows(kept) %}
    {% set unknown = unknown_input_name() | trim %}
    {% set sources = {"demo": 0, "files": 0} %}
    {% set deals = [] %}
    {% if "fct_alert_events" in kept %}
        {% for source, row_count in run_query("select alert_source, count(*) from " ~ kept.fct_alert_events ~ " group by 1").rows %}
            {% do sources.update({source: row_count}) %}
        {% endfor %}
        {% do deals.append("select subject_id as deal_id from " ~ kept.fct_alert_events ~ " where subject_type = 'deal'") %}
    {% endif %}
    {% for name in ["int_kept_deal_scores", "int_kept_changes"] if name in kept %}
        {% do deals.append("select deal_id from " ~ kept[name]) %}
    {% endfor %}
    {# The demo's seeds are no nodes of a build of files. #}
    {% set demo = adapter.get_relation(target.database, graph.nodes["seed.pipeline_intelligence.bands"].schema, "demo_deals") %}
    {% set is_demo = sources.demo and not sources.files and demo and not strange_deals(deals, demo.include(database=false)) %}
    {% set is_own = reads_files() and not sources.demo and deals and not strange_deals(deals, "landing.deals") %}
    {% set others = "demo" if is_demo else input_name() if is_own else unknown %}
    {{ return({"files": unknown if sources.files and not is_own else others, "others": others}) }}
{% endmacro %}


{# How many of the kept deals `relation` doesn't hold. #}
{% macro strange_deals(deals, relation) %}
    {{ return(run_query(
        "select count(*) from (" ~ deals | join(" union all ") ~ ") as kept where kept.deal_id not in "
        ~ "(select trim(cast(own.deal_id as varchar)) from " ~ relation ~ " as own where own.deal_id is not null)"
    ).rows[0][0]) }}
{% endmacro %}
