{# A schema is called what its folder says (`marts`, not `main_marts`): readers type it. #}
{% macro generate_schema_name(custom_schema_name, node) %}
    {{- custom_schema_name | trim if custom_schema_name else target.schema -}}
{% endmacro %}
