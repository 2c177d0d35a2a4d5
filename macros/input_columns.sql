{# The canonical input contract: every input and its columns. `required` columns must be in a file, `optional` ones read as null when absent,
   any other column is ignored and reported in rpt_data_quality. Of the deals the state is needed besides: deal_stage or outcome. #}
{% macro input_contract() %}
    {{ return({
        "deals": {
            "required": ["deal_id", "created_date"],
            "one_of": ["deal_stage", "outcome"],
            "optional": [
                "closed_date", "sales_rep_id", "industry", "region", "product_type", "lead_source", "deal_stage", "deal_amount", "outcome",
                "sales_cycle_days", "expected_close_date", "stage_probability", "forecast_category", "account_id", "deal_name", "pipeline",
                "deal_type", "currency_code", "home_amount", "lost_reason", "competitor", "next_step", "updated_at", "is_deleted",
            ],
        },
        "stage_history": {"required": ["deal_id", "stage", "entered_at"], "optional": []},
        "field_history": {
            "required": ["deal_id", "field", "old_value", "new_value", "changed_at"], "optional": [],
        },
        "value_intervals": {"required": ["deal_id", "field", "value", "valid_from"], "optional": ["valid_to"]},
        "activities": {"required": ["deal_id", "activity_type", "occurred_at"], "optional": ["sales_rep_id"]},
        "interventions": {"required": ["deal_id", "action_id", "taken_at"], "optional": ["taken_by"]},
        "reps": {"required": ["sales_rep_id"], "optional": ["name", "team", "manager"]},
        "quotas": {
            "required": ["period_start", "amount"],
            "one_of": ["sales_rep_id", "team"],
            "optional": ["sales_rep_id", "team", "period_end"],
        },
        "forecast_calls": {"required": ["sales_rep_id", "period_start", "called_at", "category", "amount"], "optional": []},
        "exchange_rates": {"required": ["currency", "valid_from", "rate"], "optional": []},
        "stages": {
            "required": ["stage", "stage_order", "is_closed"],
            "optional": ["is_won", "is_late", "default_probability", "pipeline", "alias_of"],
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
        "bands": {"required": ["band_type", "band", "band_order", "lower_bound", "upper_bound"], "optional": []},
    }) }}
{% endmacro %}


{# The inputs that stand in for a reference seed: they may be given to the demo CRM too. #}
{% macro reference_inputs() %}
    {{ return(["stages", "alert_rules", "playbook", "bands"]) }}
{% endmacro %}


{% macro input_columns(input) %}
    {% set contract = input_contract()[input] %}
    {{ return(contract.required + contract.optional) }}
{% endmacro %}


{# Columns of the deals that are read besides the canonical ones: own dimensions under their own names, then those that row filters look at. #}
{% macro own_columns() %}
    {% set columns = [] %}
    {% for each in own_dimensions() %}
        {% do columns.append(each.dimension) %}
    {% endfor %}
    {% for filter in var("row_filters", []) %}
        {% do columns.append("filter_" ~ loop.index) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{# What a deal holds only because it closed: as of a day before that it is unknown. #}
{% macro columns_of_the_close() %}
    {% set columns = [
        "closed_date", "deal_stage", "outcome", "sales_cycle_days", "stage_probability", "forecast_category", "lost_reason", "competitor",
        "next_step", "updated_at",
    ] %}
    {% for each in own_dimensions(["close"]) %}
        {% do columns.append(each.dimension) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{# Do the models read the user's files (true) or the embedded demo CRM (false)? #}
{% macro reads_files() %}
    {{ return(var("deals_file", none) is not none) }}
{% endmacro %}


{# Source and table of an input that is a source of dbt, such as source('crm', 'deals'); none of any other. #}
{% macro source_of(input) %}
    {% set found = modules.re.fullmatch("\\s*source\\(\\s*['\"]([^'\"]+)['\"]\\s*,\\s*['\"]([^'\"]+)['\"]\\s*\\)\\s*", var(input ~ "_file", none) or "") %}
    {{ return(found.groups() if found else none) }}
{% endmacro %}


{# The table of each input that is a source of dbt. #}
{% macro source_tables() %}
    {% set tables = {} %}
    {% for input in input_contract() if source_of(input) %}
        {% do tables.update({input: source(*source_of(input)) | string}) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}


{# What the check before the build made of an input; a source of dbt that it stands for is upstream of it. #}
{% macro landed(input) %}
    {% if source_of(input) %}
        {% do source(*source_of(input)) %}
    {% endif %}
    {{ return(source("landing", input)) }}
{% endmacro %}


{# The inputs that the user gives no file of; the demo CRM has all but forecast calls and exchange rates. #}
{% macro inputs_without_file() %}
    {% set inputs = [] %}
    {% for input in input_contract() if not var(input ~ "_file", none) and (reads_files() or input in ["forecast_calls", "exchange_rates"]) %}
        {% do inputs.append(input) %}
    {% endfor %}
    {{ return(inputs) }}
{% endmacro %}
