{# What incremental models keep can't be made again from the input. Where the model has a new name, its table takes it before anything is
   built. Old name: new name. #}
{% macro rename_kept_tables() %}
    {% if execute and flags.WHICH in ["build", "run"] and own_nodes(selected_resources) %}
        {% for old, new in {
            "int_score_snapshots": "int_kept_deal_scores",
            "int_score_moves": "int_kept_score_changes",
            "int_score_versions": "int_kept_score_terms",
        }.items() %}
            {% set model = graph.nodes["model.pipeline_intelligence." ~ new] %}
            {% set kept = adapter.get_relation(model.database, model.schema, old) %}
            {% if kept and not adapter.get_relation(model.database, model.schema, new) %}
                {% do adapter.rename_relation(kept, kept.incorporate(path={"identifier": new})) %}
                {% do adapter.commit() %}
                {% do log(old ~ " is called " ~ new ~ " now, and keeps its rows", info=true) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}
