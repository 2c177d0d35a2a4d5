{# Fails on every row in which an estimate lies outside its interval, or has only one of its ends: lists of [lower, estimate, upper].
   The ends are computed apart from the estimate, so they may touch it to rounding. #}
{% test intervals_hold_their_estimate(model, intervals) %}
select {{ intervals | sum(start=[]) | join(', ') }}
from {{ model }}
where
    {% for lower, estimate, upper in intervals -%}
    {% if not loop.first %}or {% endif -%}
    {{ lower }} > {{ estimate }} + 1e-9
    or {{ upper }} < {{ estimate }} - 1e-9
    or ({{ lower }} is null) <> ({{ upper }} is null)
    {% endfor %}
{% endtest %}
