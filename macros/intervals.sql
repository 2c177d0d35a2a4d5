{# One side of Wilson's interval of a share: `sign` + or -, `count` a number of deals that may be effective, z a normal quantile.
   Null without deals. Wilson 1927; Brown, Cai and DasGupta 2001. #}
{% macro wilson(share, count, z, sign) -%}
    greatest(0, least(1, (
        {{ share }} + {{ z }} * {{ z }} / (2 * nullif({{ count }}, 0))
        {{ sign }} {{ z }} * sqrt({{ share }} * (1 - {{ share }}) / nullif({{ count }}, 0) + {{ z }} * {{ z }} / (4 * nullif({{ count }}, 0) * {{ count }}))
    ) / (1 + {{ z }} * {{ z }} / nullif({{ count }}, 0))))
{%- endmacro %}
