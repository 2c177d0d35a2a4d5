{# A relation without its database: a view that names its database can't be read in a copied or attached file. #}
{% macro ref() -%}
    {{ return(builtins.ref(*varargs, **kwargs).include(database=false)) }}
{%- endmacro %}
