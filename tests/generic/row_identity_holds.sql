{# Fails on every input whose rows in are not accepted + quarantined + duplicates + not yet known. #}
{% test row_identity_holds(model) %}
select
    input,
    check_value
from {{ model }}
where check_name = 'row_identity_difference' and check_value <> 0
{% endtest %}
