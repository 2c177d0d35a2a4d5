{# The dimensions that the user adds to the built-in ones, a mapping each: dimension (its name here), column (its name in the file), label, kind
   (text, or number: cut into quantile bands) and known (creation, changes or close). With `known`, those known at that time alone. #}
{% macro own_dimensions(known=none) %}
    {% set found = [] %}
    {% for each in var("own_dimensions", []) if not known or each.get("known", "creation") == known %}
        {% do found.append(each) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{# Names of a var that lists dimensions, and of the own ones whose values are known early enough for its use. #}
{% macro dimensions_of(variable, known=["creation", "changes", "close"]) %}
    {% set names = var(variable) | list %}
    {% for each in own_dimensions() if each.get("known", "creation") in known and each.dimension not in names %}
        {% do names.append(each.dimension) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
