{# Does the metric's value meet the rule's comparator and threshold? Whether it crossed the threshold is for fct_alert_events to say. #}
{% macro meets_threshold(value, rules) -%}
    case {{ rules }}.comparator
        when 'above' then {{ value }} > {{ rules }}.threshold
        when 'crosses_above' then {{ value }} > {{ rules }}.threshold
        when 'at_least' then {{ value }} >= {{ rules }}.threshold
        when 'below' then {{ value }} < {{ rules }}.threshold
        when 'at_most' then {{ value }} <= {{ rules }}.threshold
        else false
    end
{%- endmacro %}

{# Is `name` one of the words of a blank-separated list? #}
{% macro has_word(list, name) -%}
    ' ' || {{ list }} || ' ' like '% {{ name }} %'
{%- endmacro %}

{# Is an alert one of its digest's reader: of a rep's own deals, of a manager's team, or for all of the audience? #}
{% macro is_for_reader(alerts, digests) -%}
    {{ has_word(alerts ~ '.audience', "' || " ~ digests ~ ".audience || '") }}
    and {{ digests }}.recipient = case {{ digests }}.audience
        when 'rep' then {{ alerts }}.sales_rep_id
        when 'manager' then {{ alerts }}.manager
        else {{ digests }}.recipient
    end
{%- endmacro %}
