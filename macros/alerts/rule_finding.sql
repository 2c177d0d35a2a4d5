{# How often an alert rule was right, in a sentence that claims no more than its verdict. `row`: a row of rpt_alert_rules_backtest but for its sentences. #}
{% macro rule_finding(row) -%}
    {{ row }}.description || ': '
    || case
        when {{ row }}.missing_reason is not null then 'not replayed, because ' || {{ row }}.missing_reason || '.'
        else
            'fired ' || {{ row }}.fired_count || case {{ row }}.fired_count when 1 then ' time' else ' times' end
            || case {{ row }}.subject_type when 'deal' then ' on ' || {{ row }}.fired_subject_count || ' of ' || {{ row }}.observed_subject_count || ' deals' else '' end
            || ' from ' || cast({{ row }}.replay_start_date as {{ dbt.type_string() }}) || ' to ' || cast({{ row }}.replay_end_date as {{ dbt.type_string() }})
            || case
                when {{ row }}.judged_count = 0 then '.'
                else
                    '; in ' || {{ percent(row ~ ".happened_rate") }} || ' of ' || {{ row }}.judged_count || case {{ row }}.judged_count when 1 then ' case ' else ' cases ' end
                    || {{ row }}.outcome || ', against ' || {{ percent(row ~ ".base_rate") }} || ' of the '
                    || case {{ row }}.subject_type when 'deal' then 'deals it didn''t warn of on the same days' else 'months it didn''t warn in' end
                    || case
                        when {{ row }}.verdict = 'insufficient_n' then '; too few to judge.'
                        else
                            ': ' || {{ points(row ~ ".difference", "less", "more") }} || ' '
                            || {{ corrected_interval(row ~ ".difference_lower", row ~ ".difference_upper", row ~ ".difference_confidence_level", 100) }}
                            || case
                                when {{ row }}.verdict <> 'signal' then '; chance can explain it.'
                                when {{ row }}.difference > 0 then '; more than chance.'
                                else '; less often than chance alone would have it.'
                            end
                    end
            end
    end
{%- endmacro %}

{# What stands beside each alert of the rule. #}
{% macro rule_track_record(row) -%}
    case
        when {{ row }}.verdict = 'not_computable' then 'Past data can''t tell how often this warning comes true.'
        when {{ row }}.verdict = 'insufficient_n'
            then
                case {{ row }}.judged_count
                    when 0 then 'No past warning can tell'
                    when 1 then 'One past warning is too few to tell'
                    else {{ row }}.judged_count || ' past warnings are too few to tell'
                end || ' whether this one comes true more often than chance.'
        else
            'On your past ' || case {{ row }}.subject_type when 'deal' then 'deals' else 'months' end || ' this warning came true '
            || case
                when {{ row }}.verdict <> 'signal' then 'no more often than chance can explain'
                when {{ row }}.difference > 0 then 'more often than chance can explain'
                else 'less often than where it didn''t warn'
            end
            || ': in ' || {{ percent(row ~ ".happened_rate") }} || ' of ' || {{ row }}.judged_count || ' cases ' || {{ row }}.outcome || ', against '
            || {{ percent(row ~ ".base_rate") }} || ' of the ' || case {{ row }}.subject_type when 'deal' then 'deals it didn''t warn of.' else 'months it didn''t warn in.' end
    end
{%- endmacro %}
