{# Fails on every dimension whose segments don't add up to the row of all deals: each deal is in one segment of each dimension but those of `incomplete`. #}
{% test segments_add_up(model, columns, within=[], incomplete=[]) %}
select
    segments.segment_dimension,
    {% for key in within %}segments.{{ key }},
    {% endfor -%}
    count(*) as segment_count
from {{ model }} as segments
inner join {{ model }} as everything
    on
        everything.segment_dimension = 'all'
        {% for key in within -%}
        and segments.{{ key }} = everything.{{ key }}
        {% endfor %}
{%- if incomplete %}
where segments.segment_dimension not in ('{{ incomplete | join("', '") }}')
{%- endif %}
group by
    segments.segment_dimension
    {%- for key in within %},
    segments.{{ key }}
    {%- endfor %}
having
    {% for column in columns -%}
    {% if not loop.first %}or {% endif -%}
    sum(segments.{{ column }}) <> max(everything.{{ column }})
    {% endfor %}
{% endtest %}
