{# Fails on every row that breaks a rule of its relation, and says which rule it is: one test of many columns, because each test costs
   the build as much as a small model. Columns and values are given as comma-separated text.
   required: columns without nulls. accepted: column -> the values it may have besides null.
   between: lists of columns with the `least` and `most` they may be; NaN is above every number, so it fails. Where `is_money`, the least
   holds only if no deal type may have negative amounts.
   intervals: `lower <= estimate <= upper`, with both ends or none; ends are computed apart from the estimate, so they may touch it to rounding.
   verdicts: verdict -> both ends of its interval, which leaves 0 out for a signal and for nothing else. #}
{% test values_hold(model, required="", accepted={}, between=[], intervals=[], verdicts={}) %}
{% set rules = [] %}
{% for column in words(required) %}
    {% do rules.append((column ~ " is null", column ~ " is null")) %}
{% endfor %}
{% for column, values in accepted.items() %}
    {% do rules.append((column ~ " not in ('" ~ words(values) | join("', '") ~ "')", column ~ " is none of " ~ values)) %}
{% endfor %}
{% for range in between %}
    {% for column in words(range.columns) %}
        {% if "least" in range and not (range.get("is_money") and var("negative_amount_deal_types")) %}{% do rules.append((column ~ " < " ~ range.least, column ~ " is below " ~ range.least)) %}{% endif %}
        {% set most = range.get("most", 1e300) %}
        {% do rules.append((column ~ " > " ~ most, column ~ " is above " ~ most)) %}
    {% endfor %}
{% endfor %}
{% for interval in intervals %}
    {% set lower, estimate, upper = words(interval, "<=") %}
    {% set condition -%}
        {{ lower }} > {{ estimate }} + 1e-9 or {{ upper }} < {{ estimate }} - 1e-9 or ({{ lower }} is null) <> ({{ upper }} is null)
    {%- endset %}
    {% do rules.append((condition, "not " ~ interval)) %}
{% endfor %}
{% for verdict, ends in verdicts.items() %}
    {% set lower, upper = words(ends) %}
    {% do rules.append((verdict ~ " = 'signal' and not coalesce(" ~ lower ~ " > 0 or " ~ upper ~ " < 0, false)", verdict ~ " is a signal and its interval holds 0")) %}
    {% do rules.append((verdict ~ " <> 'signal' and (" ~ lower ~ " > 0 or " ~ upper ~ " < 0)", verdict ~ " is none and its interval leaves 0 out")) %}
{% endfor %}
{% if not rules %}{{ exceptions.raise_compiler_error("values_hold has no rule for " ~ model) }}{% endif %}
select *
from (
    select
        *,
        case
            {% for condition, rule in rules -%}
            when {{ condition }} then '{{ rule }}'
            {% endfor %}
        end as broken_rule
    from {{ model }}
) as checked
where broken_rule is not null
{% endtest %}
