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


{# The day of what is kept must be said: a typo in the file must not date it for ever. #}
{% macro check_keep_history() %}
    {% if var("keep_history", false) and not var("deals_file", none) %}
        {% do stop("keep_history is true without deals_file: the demo CRM has its histories, so set deals_file or unset keep_history") %}
    {% endif %}
    {% if var("keep_history", false) and not var("as_of_date", none) %}
        {% do stop("keep_history is true without as_of_date: set as_of_date to the day of the export, because what is kept can't be corrected later") %}
    {% endif %}
{% endmacro %}
