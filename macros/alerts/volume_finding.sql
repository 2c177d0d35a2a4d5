{# What a row of int_volume_changes says, in a sentence that claims no more than its verdict. `changes`: the name of the row's relation. #}
{% macro volume_finding(changes) -%}
    case {{ changes }}.metric when 'created_deals' then 'Created' when 'closed_deals' then 'Closed' else 'Win rate of the deals closed' end
    || ' from ' || cast({{ changes }}.period_start_date as {{ dbt.type_string() }}) || ' to ' || cast({{ changes }}.period_end_date as {{ dbt.type_string() }}) || ': '
    || cast(cast({{ changes }}.amount as bigint) as {{ dbt.type_string() }})
    || case {{ changes }}.metric
        when 'win_rate'
            then
                ' of ' || cast(cast({{ changes }}.size as bigint) as {{ dbt.type_string() }}) || ' won'
                || coalesce(', ' || {{ percent(changes ~ ".value") }}, '')
        else ' deals'
    end
    || case
        when {{ changes }}.previous_value is null or {{ changes }}.value is null then ''
        when {{ changes }}.value = {{ changes }}.previous_value then ', as in the ' || {{ changes }}.period_type || ' before'
        when {{ changes }}.metric = 'win_rate'
            then
                ', ' || {{ one_decimal("100 * abs(" ~ changes ~ ".value - " ~ changes ~ ".previous_value)") }} || ' points '
                || case when {{ changes }}.value < {{ changes }}.previous_value then 'less' else 'more' end
                || ' than in the ' || {{ changes }}.period_type || ' before'
        else
            ', ' || cast(cast(abs({{ changes }}.value - {{ changes }}.previous_value) as bigint) as {{ dbt.type_string() }})
            || case when {{ changes }}.value < {{ changes }}.previous_value then ' fewer' else ' more' end
            || ' than in the ' || {{ changes }}.period_type || ' before'
    end
    || case
        when {{ changes }}.verdict = 'insufficient_n' then '; not judged: too few ' || {{ changes }}.period_type || 's or deals before.'
        else
            '; the {{ var("trend_min_baseline_periods") }} ' || {{ changes }}.period_type || 's before lead to '
            || case {{ changes }}.metric
                when 'win_rate'
                    then
                        {{ percent(changes ~ ".expected_value") }} || ' '
                        || {{ interval(changes ~ ".expected_lower", changes ~ ".expected_upper", 100) }}
                else
                    {{ one_decimal(changes ~ ".expected_value") }} || ' '
                    || {{ interval(changes ~ ".expected_lower", changes ~ ".expected_upper") }}
            end
            || case {{ changes }}.verdict when 'signal' then ': more than chance.' else ': chance can explain it.' end
    end
{%- endmacro %}
