{# The canonical input contract: every input, its file var, and its columns. `required` columns must be in a file, `optional`
   ones read as null when absent, any other column is ignored and reported in rpt_data_quality. #}
{% macro input_contract() %}
    {{ return({
        "deals": {
            "required": [
                "deal_id", "created_date", "closed_date", "sales_rep_id", "industry", "region", "product_type",
                "lead_source", "deal_stage", "deal_amount", "outcome",
            ],
            "optional": [
                "sales_cycle_days", "expected_close_date", "stage_probability", "forecast_category", "account_id",
                "deal_name", "currency_code", "lost_reason", "competitor", "updated_at",
            ],
        },
        "stage_history": {"required": ["deal_id", "stage", "entered_at"], "optional": []},
        "field_history": {
            "required": ["deal_id", "field", "old_value", "new_value", "changed_at"], "optional": [],
        },
        "activities": {"required": ["deal_id", "activity_type", "occurred_at"], "optional": ["sales_rep_id"]},
        "interventions": {"required": ["deal_id", "action_id", "taken_at"], "optional": ["taken_by"]},
        "reps": {"required": ["sales_rep_id"], "optional": ["name", "team", "manager"]},
        "quotas": {"required": ["sales_rep_id", "period_start", "amount"], "optional": []},
        "stages": {
            "required": ["stage", "stage_order", "is_closed"],
            "optional": ["is_won", "is_late", "default_probability"],
        },
        "alert_rules": {
            "required": [
                "alert_rule_id", "metric", "comparator", "threshold", "above_amount", "severity", "audience", "cadence",
                "cool_down_days", "description",
            ],
            "optional": [],
        },
        "playbook": {
            "required": ["play_id", "action_id", "trigger_kind", "trigger_name", "threshold", "priority", "action_text", "rationale"],
            "optional": ["stage", "least_risk_category", "evidence_text"],
        },
    }) }}
{% endmacro %}


{# The inputs that stand in for a reference seed: they may be given to the demo CRM too. #}
{% macro reference_inputs() %}
    {{ return(["stages", "alert_rules", "playbook"]) }}
{% endmacro %}


{% macro input_columns(input) %}
    {% set contract = input_contract()[input] %}
    {{ return(contract.required + contract.optional) }}
{% endmacro %}


{# The file's own name of a canonical column. Top-level entries of `column_mapping` are about the deals file, an entry whose
   value is itself a mapping (`stage_history: {deal_id: Opportunity}`) is about that input. #}
{% macro file_column(input, column) %}
    {% set mapping = var("column_mapping", {}) or {} %}
    {% if mapping[input] is mapping %}
        {% set mapping = mapping[input] %}
    {% elif input != "deals" %}
        {% set mapping = {} %}
    {% endif %}
    {{ return(mapping.get(column, column)) }}
{% endmacro %}


{% macro is_parquet(path) %}
    {{ return((path | lower).endswith(".parquet") or (path | lower).endswith(".pq")) }}
{% endmacro %}


{# Table function call that reads a file: every CSV column as text, delimiter, quote and header fixed, because a sniffer turns one
   ragged row into a one-column file. Lines with a wrong number of fields are skipped here and kept by check_inputs(). #}
{% macro file_scan(path, options="union_by_name = true") %}
    {%- set quoted = "'" ~ path | replace("'", "''") ~ "'" -%}
    {%- if is_parquet(path) -%}
        read_parquet({{ quoted }}, {{ options }})
    {%- else -%}
        read_csv(
            {{ quoted }}, header = true, delim = ',', quote = '"', escape = '"', all_varchar = true,
            strict_mode = true, ignore_errors = true, {{ options }}
        )
    {%- endif -%}
{% endmacro %}


{# Rows of one input file under canonical names; an input without a file has no rows. The empty first branch gives every column that the
   file lacks, as null, so nothing has to be looked up in it before a model is compiled; typed columns keep their type. Without a file all
   columns are text. #}
{% macro read_input(input) %}
    {%- set path = var(input ~ "_file", none) -%}
    {%- set columns = input_columns(input) -%}
select
    {% for column in columns -%}
    "{{ file_column(input, column) }}" as {{ column }}{{ "," if not loop.last }}
    {% endfor -%}
from (
    select
        {% for column in columns -%}
        {{ "null" if path else "cast(null as " ~ dbt.type_string() ~ ")" }} as "{{ file_column(input, column) }}"{{ "," if not loop.last }}
        {% endfor -%}
    where false
    {%- if path %}

    union all by name

    select * from {{ file_scan(path) }}
    {%- endif %}
) as named
{%- endmacro %}


{# Do the models read the user's files (true) or the embedded demo CRM (false)? #}
{% macro reads_files() %}
    {{ return(var("deals_file", none) is not none) }}
{% endmacro %}


{# The inputs that the user gives no file of; the demo CRM has all. #}
{% macro inputs_without_file() %}
    {% set inputs = [] %}
    {% for input in input_contract() if reads_files() and not var(input ~ "_file", none) %}
        {% do inputs.append(input) %}
    {% endfor %}
    {{ return(inputs) }}
{% endmacro %}


{# A CSV is read once into a table; Parquet is read in place. #}
{% macro landing_materialization(input) %}
    {% set path = var(input ~ "_file", none) %}
    {{ return("table" if path and not is_parquet(path) else "view") }}
{% endmacro %}
