{# Fails on every row in which one of the columns is null. Stands for the not_null of a contract, which a view does not enforce. #}
{% test never_null(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns -%}
    {{ column }} is null{{ " or" if not loop.last }}
    {% endfor %}
{% endtest %}
