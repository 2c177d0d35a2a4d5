{# Fails on every row in which one of the columns lies outside [least, most]. NaN is above every number, so it fails too. #}
{% test values_between(model, columns, least=-1e300, most=1e300) %}
select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns -%}
    {% if not loop.first %}or {% endif -%}
    {{ column }} < {{ least }} or {{ column }} > {{ most }}
    {% endfor %}
{% endtest %}
