{# What a row of int_volume_changes says, in a sentence that claims no more than its verdict. #}
{% macro volume_finding() -%}
    case metric when 'created_deals' then 'Created' when 'closed_deals' then 'Closed' else 'Win rate of the deals closed' end
    || ' from ' || cast(period_start_date as {{ dbt.type_string() }}) || ' to ' || cast(period_end_date as {{ dbt.type_string() }}) || ': '
    || case metric
        when 'win_rate' then cast(cast(amount as bigint) as {{ dbt.type_string() }}) || ' of ' || cast(cast(size as bigint) as {{ dbt.type_string() }}) || ' won' || coalesce(', ' || {{ percent("value") }}, '')
        else cast(cast(amount as bigint) as {{ dbt.type_string() }}) || ' deals'
    end
    || case
        when previous_value is null or value is null then ''
        when value = previous_value then ', as in the ' || period_type || ' before'
        when metric = 'win_rate' then ', ' || {{ one_decimal("100 * abs(value - previous_value)") }} || ' points ' || case when value < previous_value then 'less' else 'more' end || ' than in the ' || period_type || ' before'
        else ', ' || cast(cast(abs(value - previous_value) as bigint) as {{ dbt.type_string() }}) || case when value < previous_value then ' fewer' else ' more' end || ' than in the ' || period_type || ' before'
    end
    || case
        when verdict = 'insufficient_n' then '; not judged: too few ' || period_type || 's or deals before.'
        else
            '; the {{ var("trend_min_baseline_periods") }} ' || period_type || 's before lead to '
            || case metric
                when 'win_rate' then {{ percent("expected_value") }} || ' ' || {{ interval("expected_lower", "expected_upper", 100) }}
                else {{ one_decimal("expected_value") }} || ' ' || {{ interval("expected_lower", "expected_upper") }}
            end
            || case verdict when 'signal' then ': more than chance.' else ': chance can explain it.' end
    end
{%- endmacro %}

{# Slope and intercept are two tests of the model, at the limit of the charts each, so that both together are seldom wrong. #}
{% macro scores_are_off() -%}
    score_status = 'model' and ({% for coefficient, right in [('slope', 1), ('intercept', 0)] -%}
    abs(calibration_{{ coefficient }} - {{ right }})
    > {{ var('trend_limit') }} * (calibration_{{ coefficient }}_upper - calibration_{{ coefficient }}_lower) / (2 * normal_quantile){{ " or " if not loop.last }}
    {%- endfor %})
{%- endmacro %}

{% macro scores_finding() -%}
    'Scores of deals created after the training were off by ' || {{ one_decimal("100 * mean_error") }} || ' points on average'
    || case
        when score_status <> 'model' or calibration_slope is null or calibration_intercept is null then '; not judged.'
        else
            {% for coefficient, right in [('slope', 1), ('intercept', 0)] -%}
            '; calibration {{ coefficient }} ' || {{ two_decimals("calibration_" ~ coefficient) }}
            || ' ({{ "%g" | format(100 * var("confidence_level")) }} % interval ' || {{ two_decimals("calibration_" ~ coefficient ~ "_lower") }}
            || ' to ' || {{ two_decimals("calibration_" ~ coefficient ~ "_upper") }} || '), {{ right }} is right' ||
            {% endfor -%}
            case when {{ scores_are_off() }} then ': more than chance.' else ': chance can explain it.' end
    end
{%- endmacro %}

{% macro two_decimals(number) -%}
    cast(cast({{ number }} as decimal(18, 2)) as {{ dbt.type_string() }})
{%- endmacro %}
