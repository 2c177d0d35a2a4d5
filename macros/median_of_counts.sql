{# The median of values of which each stands in one row of its partition, with a count: `value` in the row of the middle one, or in the
   rows of the middle two, null in all others. Its `avg` is the median. `partition`: list of columns. #}
{% macro median_of_counts(value, count, partition) -%}
    {%- set within = "over (partition by " ~ partition | join(", ") -%}
    case
        when
            2 * sum({{ count }}) {{ within }} order by {{ value }}) >= sum({{ count }}) {{ within }})
            and 2 * (sum({{ count }}) {{ within }} order by {{ value }}) - {{ count }}) <= sum({{ count }}) {{ within }})
            then {{ value }}
    end
{%- endmacro %}
