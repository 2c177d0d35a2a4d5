{# Numbers inside sentences, with one decimal. #}
{% macro one_decimal(number) -%}
    cast(cast({{ number }} as decimal(18, 1)) as {{ dbt.type_string() }})
{%- endmacro %}

{# '45.3 %' of a rate from 0 to 1. #}
{% macro percent(rate) -%}
    {{ one_decimal("100 * " ~ rate) }} || ' %'
{%- endmacro %}

{# '(95 % interval 43.9 to 46.6)'; bounds are multiplied by `factor` first. #}
{% macro interval(lower, upper, factor=1) -%}
    '({{ "%g" | format(100 * var("confidence_level")) }} % interval ' || {{ one_decimal(factor ~ " * " ~ lower) }} || ' to ' || {{ one_decimal(factor ~ " * " ~ upper) }} || ')'
{%- endmacro %}

{# '(99.83 % interval -9.1 to -0.4)' of a level that is corrected for how many comparisons there are. #}
{% macro corrected_interval(lower, upper, level, factor=1) -%}
    '('
    || case when {{ level }} > 0.9999 then 'over 99.99' else cast(cast(floor(10000 * {{ level }}) / 100 as decimal(18, 2)) as {{ dbt.type_string() }}) end
    || ' % interval ' || {{ one_decimal(factor ~ " * " ~ lower) }} || ' to ' || {{ one_decimal(factor ~ " * " ~ upper) }} || ')'
{%- endmacro %}

{# '3.1 points below' of a difference, with the word for a negative one and for any other; the difference is multiplied by `factor` first. #}
{% macro points(difference, negative, positive, factor=100) -%}
    {{ one_decimal(factor ~ " * abs(" ~ difference ~ ")") }} || ' points ' || case when {{ difference }} < 0 then '{{ negative }}' else '{{ positive }}' end
{%- endmacro %}

{# A dimension, or a pair such as 'industry x tier', with the labels of own dimensions instead of their names. #}
{% macro labelled(column) -%}
    {%- set labels = own_dimensions() | selectattr('label', 'defined') | list -%}
    {%- if labels -%}
    array_to_string([
        {%- for part in [1, 2] %}
        case split_part({{ column }}, ' x ', {{ part }})
            when '' then null
            {%- for each in labels %}
            when '{{ each.dimension }}' then '{{ each.label | replace("'", "''") }}'
            {%- endfor %}
            else split_part({{ column }}, ' x ', {{ part }})
        end{{ "," if not loop.last }}
        {%- endfor %}
    ], ' x ')
    {%- else -%}
    {{ column }}
    {%- endif -%}
{%- endmacro %}

{# 'region EMEA' of a segment, 'All deals' of all of them. #}
{% macro segment_name(row) -%}
    case when {{ row }}.segment_dimension = 'all' then 'All deals' else {{ labelled(row ~ ".segment_dimension") }} || ' ' || {{ row }}.segment_value end
{%- endmacro %}

{# From here on: what marts say in sentences. `row` is the relation whose columns a sentence reads: a row of the mart but for the sentence. #}

{# What a row of rpt_segment_win_rates says, in a sentence that claims no more than its verdict. #}
{% macro win_rate_finding(row) -%}
    {{ segment_name(row) }}
    || case {{ row }}.period
        when 'all' then ''
        else ', closed from ' || cast({{ row }}.period_start_date as {{ dbt.type_string() }}) || ' to ' || cast({{ row }}.period_end_date as {{ dbt.type_string() }})
    end
    || ': '
    || case
        when {{ row }}.verdict = 'insufficient_n'
            then
                coalesce({{ row }}.missing_reason, 'too few closed deals') || ' to judge, '
                || case
                    when {{ row }}.closed_deal_count < {{ var("min_segment_deals") }} then {{ row }}.closed_deal_count || ' where it takes {{ var("min_segment_deals") }}.'
                    else {{ row }}.won_deal_count || ' of ' || {{ row }}.closed_deal_count || ' closed deals won.'
                end
        else
            {{ row }}.won_deal_count || ' of ' || {{ row }}.closed_deal_count || ' closed deals won, ' || {{ percent(row ~ ".win_rate") }}
            || ' ' || {{ interval(row ~ ".win_rate_lower", row ~ ".win_rate_upper", 100) }}
            || case
                when {{ row }}.verdict = 'not_computable' then '; not judged: ' || coalesce({{ row }}.missing_reason, 'all deals together have nothing to be compared with') || '.'
                else
                    ', ' || {{ points(row ~ ".vs_reference_difference", "below", "above") }} || ' '
                    || case
                        when {{ row }}.second_segment_value is not null
                            then 'what its two segments lead to by themselves, ' || {{ percent(row ~ ".reference_win_rate") }}
                        when {{ row }}.reference_segment_count = 1
                            then {{ row }}.reference_segments || ', ' || {{ percent(row ~ ".reference_win_rate") }} || ' of ' || {{ row }}.reference_deal_count
                        else
                            'the ' || {{ row }}.reference_segment_count || ' that don''t stand out, ' || {{ percent(row ~ ".reference_win_rate") }}
                            || ' of ' || {{ row }}.reference_deal_count
                    end
                    || ' ' || {{ corrected_interval(row ~ ".vs_reference_lower", row ~ ".vs_reference_upper", row ~ ".vs_reference_confidence_level", 100) }}
                    || case
                        when {{ row }}.verdict <> 'signal'
                            then
                                '; with this many segments compared, chance can explain it'
                                || coalesce(', and a difference below ' || {{ one_decimal("100 * " ~ row ~ ".detectable_difference") }} || ' points would often be missed.', '.')
                        else
                            '; the ' || case when {{ row }}.second_segment_value is null then 'segment' else 'combination' end || ' is associated with '
                            || case when {{ row }}.vs_reference_difference < 0 then 'fewer' else 'more' end || ' wins: expect about '
                            || {{ one_decimal("100 * abs(" ~ row ~ ".shrunk_vs_reference_difference)") }} || ' points of it again'
                            || case when {{ row }}.segment_dimension in ('{{ (['competitor'] + own_dimensions(['close']) | map(attribute='dimension') | list) | join("', '") }}') then ', if it is recorded alike in won and lost deals' else '' end
                            || case when {{ row }}.family_segment_count = 2 and {{ row }}.reference_segment_count = 1 then '. Which of the two is unusual can''t be told.' else '.' end
                    end
            end
    end
{%- endmacro %}

{# What a row of rpt_cycle_outcome_gap says, in a sentence that claims no more than its verdict. #}
{% macro cycle_gap_finding(row) -%}
    {{ segment_name(row) }}
    || ': '
    || case
        when {{ row }}.missing_reason = 'too few accounts'
            then 'too few accounts to judge, with ' || {{ row }}.won_deal_count || ' won and ' || {{ row }}.lost_deal_count || ' lost deals.'
        when {{ row }}.verdict = 'insufficient_n'
            then
                'too few deals of mature cohorts with a known cycle to judge, ' || {{ row }}.won_deal_count || ' won and '
                || {{ row }}.lost_deal_count || ' lost where it takes {{ var("min_segment_deals") }} of each.'
        else
            'the ' || {{ row }}.won_deal_count || ' won deals typically took ' || {{ one_decimal("abs(" ~ row ~ ".cycle_shift_days)") }} || ' days '
            || case when {{ row }}.cycle_shift_days < 0 then 'less' else 'more' end || ' than the ' || {{ row }}.lost_deal_count || ' lost ones '
            || {{ corrected_interval(row ~ ".cycle_shift_lower_days", row ~ ".cycle_shift_upper_days", row ~ ".cycle_shift_confidence_level") }}
            || case
                when {{ row }}.verdict <> 'signal' then '; with this many segments compared, chance can explain it.'
                when {{ row }}.cycle_shift_days < 0 then '; wins are associated with shorter cycles.'
                else '; wins are associated with longer cycles.'
            end
    end
{%- endmacro %}

{# What a row of rpt_win_rate_drivers says, in a sentence that claims no more than its verdict. #}
{% macro driver_finding(row) -%}
    {{ labelled(row ~ ".factor") }} || ' ' || {{ row }}.level || ': '
    || case
        when {{ row }}.vs_others_pp is null and {{ row }}.pooled_levels is null then coalesce({{ row }}.missing_reason, 'nothing to compare with')
        when {{ row }}.pooled_levels is not null
            then 'values with fewer than {{ var("min_level_deals") }} closed deals each, not judged: ' || {{ row }}.pooled_levels
        else
            {{ row }}.won_deal_count || ' of ' || {{ row }}.closed_deal_count || ' closed deals won, and with the other factors held equal '
            || {{ points(row ~ ".vs_others_pp", "below", "above", factor=1) }}
            || case
                when {{ row }}.other_level_count = 1 then ' ' || {{ row }}.other_levels
                else ' the ' || {{ row }}.other_level_count || ' levels that don''t stand out'
            end
            || ' ' || {{ corrected_interval(row ~ ".vs_others_lower_pp", row ~ ".vs_others_upper_pp", row ~ ".vs_others_confidence_level") }}
            || case
                when {{ row }}.verdict <> 'signal'
                    then
                        '; with this many levels compared, chance can explain it, and an effect below '
                        || {{ one_decimal(row ~ ".detectable_difference_pp") }} || ' points would often be missed'
                else
                    '; the level is associated with ' || case when {{ row }}.vs_others_pp < 0 then 'fewer' else 'more' end
                    || ' wins, of which to expect about ' || {{ one_decimal("abs(" ~ row ~ ".shrunk_vs_others_pp)") }} || ' points again'
                    || case when {{ row }}.level_count = 2 then '. Which of the two is unusual can''t be told' else '' end
            end
    end || '.'
    || case when {{ row }}.is_sign_flip then ' Its direction changes between half-years.' else '' end
    || case when {{ row }}.is_penalised then ' Some levels only win or only lose, so all effects are drawn in a little.' else '' end
    || case when {{ row }}.is_known_only_after_close then ' Describes, and can''t foresee: the cycle band is known only after the close.' else '' end
{%- endmacro %}

{# What a row of rpt_win_rate_change says, in a sentence that claims no more than its verdicts. #}
{% macro win_rate_change_finding(row) -%}
    {{ segment_name(row) }}
    || ', ' || case {{ row }}.period_type when 'half_year' then 'six months' else {{ row }}.period_type end
    || ' from ' || cast({{ row }}.period_start_date as {{ dbt.type_string() }}) || ' against '
    || case
        when {{ row }}.comparison = 'year_on_year' then 'the same ' || case {{ row }}.period_type when 'month' then 'month' else 'months' end || ' a year before: '
        else 'the ' || case {{ row }}.period_type when 'half_year' then 'six months' else {{ row }}.period_type end || ' before: '
    end
    || case
        when {{ row }}.verdict = 'insufficient_n'
            then
                'too few closed deals to judge, ' || {{ row }}.closed_deal_count || ' and ' || {{ row }}.previous_closed_deal_count
                || ' where it takes {{ var("min_segment_deals") }} of each.'
        when {{ row }}.segment_dimension = 'all'
            then
                {{ percent(row ~ ".win_rate") }} || ' of ' || {{ row }}.closed_deal_count || ' closed deals won after ' || {{ percent(row ~ ".previous_win_rate") }}
                || ' of ' || {{ row }}.previous_closed_deal_count || ', a change of ' || {{ one_decimal("100 * " ~ row ~ ".total_change") }} || ' points'
                || coalesce(' ' || {{ corrected_interval(row ~ ".total_change_lower", row ~ ".total_change_upper", row ~ ".total_confidence_level", 100) }}, '')
                || case
                    when {{ row }}.verdict = 'not_computable' then '; nothing to judge, because all or none were won.'
                    when {{ row }}.verdict = 'no_signal' then '; chance can explain it.'
                    when {{ row }}.comparison = 'year_on_year' and {{ row }}.total_change < 0 then '; the win rate fell.'
                    when {{ row }}.comparison = 'year_on_year' then '; the win rate rose.'
                    when {{ row }}.total_change < 0 then '; the win rate fell, though that may be the season.'
                    else '; the win rate rose, though that may be the season.'
                end
        else
            case
                when {{ row }}.closed_deal_count = 0 or {{ row }}.previous_closed_deal_count = 0 then ''
                else
                    'its win rate went from ' || {{ percent(row ~ ".previous_win_rate") }} || ' to ' || {{ percent(row ~ ".win_rate") }} || ', which accounts for '
                    || {{ one_decimal("100 * " ~ row ~ ".rate_effect") }} || ' points of the change'
                    || coalesce(' ' || {{ corrected_interval(row ~ ".rate_effect_lower", row ~ ".rate_effect_upper", row ~ ".rate_confidence_level", 100) }}, '') || ', and '
            end
            || 'its share of closed deals went from ' || {{ percent(row ~ ".previous_deal_share") }} || ' to ' || {{ percent(row ~ ".deal_share") }}
            || ', which accounts for ' || {{ one_decimal("100 * " ~ row ~ ".mix_effect") }} || ' points'
            || coalesce(' ' || {{ corrected_interval(row ~ ".mix_effect_lower", row ~ ".mix_effect_upper", row ~ ".mix_confidence_level", 100) }}, '')
            || case
                when {{ row }}.rate_verdict = 'signal' and {{ row }}.mix_verdict = 'signal' then '; both are more than chance'
                when {{ row }}.rate_verdict = 'signal' then '; the change of its win rate is more than chance'
                when {{ row }}.mix_verdict = 'signal' then '; the effect of its share is more than chance'
                else '; with this many segments compared, chance can explain it'
            end
            || case when {{ row }}.comparison = 'previous_period' and {{ row }}.verdict = 'signal' then ', though it may be the season.' else '.' end
    end
{%- endmacro %}

{# What the chart of rpt_win_rate_trend says of a period, with how often it is wrong: measured at the default vars, see tools/simulations/trend.py. #}
{% macro trend_chart_finding(row) -%}
    case {{ row }}.basis when 'closed_date' then 'Closed' else 'Created' end
    || ' from ' || cast({{ row }}.period_start_date as {{ dbt.type_string() }}) || ' to ' || cast({{ row }}.period_end_date as {{ dbt.type_string() }})
    || case when {{ row }}.is_risk_adjusted then ', for its mix of deals' else '' end || ': '
    || case
        when {{ row }}.win_rate is null then 'no deal has closed'
        else
            {{ row }}.won_deal_count || ' of ' || ({{ row }}.won_deal_count + {{ row }}.lost_deal_count) || ' closed deals won, ' || {{ percent(row ~ ".win_rate") }}
            || ' ' || {{ interval(row ~ ".win_rate_lower", row ~ ".win_rate_upper", 100) }}
    end
    || case
        when {{ row }}.basis = 'created_cohort' and {{ row }}.is_mature
            then case when {{ row }}.open_deal_count > 0 then '; ' || {{ row }}.open_deal_count || case {{ row }}.open_deal_count when 1 then ' more is' else ' more are' end || ' open, longer than nearly all deals were.' else '.' end
        when {{ row }}.basis = 'created_cohort'
            then
                '; ' || {{ row }}.open_deal_count || case {{ row }}.open_deal_count when 1 then ' more is' else ' more are' end || ' open, so it will end between ' || {{ percent(row ~ ".win_rate_least") }}
                || ' and ' || {{ percent(row ~ ".win_rate_most") }} || '.'
        when {{ row }}.verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || {{ row }}.missing_reason || '.'
        else
            ', ' || {{ points(row ~ ".win_rate - " ~ row ~ ".expected_win_rate", "below", "above") }} || ' the ' || {{ percent(row ~ ".expected_win_rate") }}
            || ' that ' || {{ row }}.baseline_period_count || ' earlier periods lead to; '
            || case
                when {{ row }}.verdict = 'no_signal' then 'chance can explain it.'
                when {{ row }}.alarm_kind = 'cusum' then 'an alarm, because it adds to periods before it that went the same way.'
                else 'an alarm, because it lies outside its limits.'
            end
            || ' (Of steady series with twelve tested periods 3 in 100 hold an alarm, 7 if the rate wanders by 3 points, 11 if by 6.)'
    end
{%- endmacro %}

{# What the trend test of rpt_win_rate_trend says of a series, in a sentence that claims no more than its verdict. #}
{% macro trend_finding(row) -%}
    case {{ row }}.basis when 'closed_date' then 'Win rate by ' || {{ row }}.period_type || ' of the close' else 'Win rate by ' || {{ row }}.period_type || ' of the creation' end
    || case when {{ row }}.is_risk_adjusted then ', for its mix of deals' else '' end || ': '
    || case {{ row }}.trend_verdict
        when 'insufficient_n' then {{ row }}.trend_period_count || ' complete periods, too few for a trend.'
        when 'not_computable' then 'no trend can be computed.'
        else
            {{ points(row ~ ".trend_pp_per_period", "down", "up", factor=1) }} || ' a ' || {{ row }}.period_type || ' over ' || {{ row }}.trend_period_count
            || ' periods and ' || {{ row }}.trend_deal_count || ' deals ' || {{ corrected_interval(row ~ ".trend_lower_pp", row ~ ".trend_upper_pp", row ~ ".trend_confidence_level") }}
            || case
                when {{ row }}.trend_verdict <> 'signal' then '; chance can explain it.'
                when {{ row }}.is_season_adjusted then '; more than chance, and no season.'
                else '; more than chance, though it may be the season.'
            end
    end
{%- endmacro %}

{# What a row of rpt_lost_reasons says, in a sentence that claims no more than its verdict. #}
{% macro lost_reason_finding(row) -%}
    case {{ row }}.lost_reason when 'None recorded' then 'No reason recorded' else {{ row }}.lost_reason end || ': '
    || {{ row }}.lost_deal_count || ' of ' || {{ row }}.all_lost_deal_count || ' deals lost from ' || cast({{ row }}.period_start_date as {{ dbt.type_string() }}) || ' to '
    || cast({{ row }}.period_end_date as {{ dbt.type_string() }})
    || case
        when {{ row }}.verdict in ('insufficient_n', 'not_computable')
            then
                ' and ' || {{ row }}.previous_lost_deal_count || ' of ' || {{ row }}.previous_all_lost_deal_count || ' in the four quarters before; not judged: '
                || {{ row }}.missing_reason || '.'
        else
            ', ' || {{ percent(row ~ ".lost_share") }} || ' ' || {{ interval(row ~ ".lost_share_lower", row ~ ".lost_share_upper", 100) }}
            || case
                when
                    {{ row }}.compared_lost_deal_count = {{ row }}.all_lost_deal_count
                    and {{ row }}.previous_compared_lost_deal_count = {{ row }}.previous_all_lost_deal_count
                    then ''
                else
                    '; of those lost for it or for '
                    || case {{ row }}.reference_reason_count
                        when 1 then {{ row }}.reference_reasons
                        else 'the ' || {{ row }}.reference_reason_count || ' reasons that don''t stand out'
                    end
                    || ' ' || {{ percent(row ~ ".lost_deal_count * 1.0 / " ~ row ~ ".compared_lost_deal_count") }}
            end
            || ', ' || {{ points(row ~ ".share_change", "less", "more") }} || ' than in the four quarters before '
            || {{ corrected_interval(row ~ ".share_change_lower", row ~ ".share_change_upper", row ~ ".share_change_confidence_level", 100) }}
            || case {{ row }}.verdict
                when 'signal'
                    then
                        '; more than chance can explain, about ' || {{ one_decimal("100 * abs(" ~ row ~ ".shrunk_share_change)") }} || ' points of it.'
                        || case {{ row }}.reference_reason_count when 1 then ' Which of the two changed can''t be told.' else '' end
                else
                    '; chance can explain it'
                    || coalesce(', and a change below ' || {{ one_decimal("100 * " ~ row ~ ".detectable_share_change") }} || ' points would often be missed.', '.')
            end
    end
{%- endmacro %}

{# What a row of rpt_rep_performance says of the win rate, in a sentence that claims no more than its verdict; `row` has `reference_rep_name` besides. #}
{% macro rep_finding(row) -%}
    {{ row }}.rep_name || ': '
    || case
        when coalesce({{ row }}.closed_deal_count, 0) = 0 then 'no deal has closed.'
        else
            {{ row }}.won_deal_count || ' of ' || {{ row }}.closed_deal_count || ' closed deals won, ' || {{ percent(row ~ ".win_rate") }}
            || ' ' || {{ interval(row ~ ".win_rate_lower", row ~ ".win_rate_upper", 100) }}
            || case
                when {{ row }}.verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || {{ row }}.missing_reason || '.'
                when {{ row }}.reference_rep_count = 1
                    then
                        '; of like deals ' || {{ percent(row ~ ".risk_adjusted_win_rate") }} || ' where ' || coalesce({{ row }}.reference_rep_name, 'another rep') || ' wins '
                        || {{ percent(row ~ ".reference_win_rate") }} || ': they differ by ' || {{ one_decimal("100 * abs(" ~ row ~ ".vs_reference_difference)") }} || ' points '
                        || {{ corrected_interval(
                            "case when " ~ row ~ ".vs_reference_difference < 0 then -" ~ row ~ ".vs_reference_upper else " ~ row ~ ".vs_reference_lower end",
                            "case when " ~ row ~ ".vs_reference_difference < 0 then -" ~ row ~ ".vs_reference_lower else " ~ row ~ ".vs_reference_upper end",
                            row ~ ".vs_reference_confidence_level", 100
                        ) }}
                        || case {{ row }}.verdict
                            when 'signal' then ', more than chance can explain; which of them is unusual can''t be told.'
                            else ', which chance can explain.'
                        end
                else
                    '; of like deals ' || {{ points(row ~ ".vs_reference_difference", "below", "above") }} || ' the ' || {{ row }}.reference_rep_count || ' other reps '
                    || case {{ row }}.rep_group when 'all' then '' else 'of ' || {{ row }}.rep_group || ' ' end || 'who don''t stand out, '
                    || {{ percent(row ~ ".reference_win_rate") }} || ' '
                    || {{ corrected_interval(row ~ ".vs_reference_lower", row ~ ".vs_reference_upper", row ~ ".vs_reference_confidence_level", 100) }}
                    || case {{ row }}.verdict
                        when 'signal'
                            then '; more than chance can explain: expect about ' || {{ one_decimal("100 * abs(" ~ row ~ ".shrunk_vs_reference_difference)") }} || ' points of it again.'
                        else
                            '; with ' || {{ row }}.judged_rep_count || ' reps compared, chance can explain it'
                            || coalesce(', and a difference below ' || {{ one_decimal("100 * " ~ row ~ ".detectable_difference") }} || ' points would often be missed.', '.')
                    end
            end
    end
{%- endmacro %}

{# What a row of rpt_rep_performance says of past forecasts, in a sentence that claims no more than its verdict. #}
{% macro rep_forecast_finding(row) -%}
    {{ row }}.rep_name || ': '
    || case
        when {{ row }}.forecast_deal_count is null then 'nothing was said of a past pipeline that has closed since.'
        else
            'of pipelines at ' || {{ row }}.forecast_date_count || ' past month ends (' || {{ row }}.forecast_deal_count || ' deals) the CRM said '
            || cast(cast({{ row }}.forecast_amount as bigint) as {{ dbt.type_string() }}) || ' and '
            || cast(cast({{ row }}.realised_amount as bigint) as {{ dbt.type_string() }}) || ' was won'
            || case
                when {{ row }}.forecast_bias_verdict in ('insufficient_n', 'not_computable') then '; too little to judge.'
                else
                    ', ' || {{ percent("abs(" ~ row ~ ".forecast_bias_rate)") }} || ' too ' || case when {{ row }}.forecast_bias_rate < 0 then 'little' else 'much' end
                    || coalesce(' (' || {{ one_decimal("100 * " ~ row ~ ".forecast_bias_lower") }} || ' to ' || {{ one_decimal("100 * " ~ row ~ ".forecast_bias_upper") }} || ')', '')
                    || case {{ row }}.forecast_bias_verdict when 'signal' then '; more than chance.' else '; chance can explain it.' end
            end
    end
{%- endmacro %}

{# What a row of rpt_intervention_effects says, in a sentence that claims no more than its verdict. #}
{% macro intervention_finding(row) -%}
    case {{ row }}.action_id when 'all' then 'Any action' else {{ row }}.action_id end
    || ': of ' || {{ row }}.offered_deal_count || ' deals to which it was offered when they were first flagged ' || coalesce({{ percent(row ~ ".offered_win_rate") }}, 'none')
    || ' were won, of ' || {{ row }}.holdout_deal_count || ' held out ' || coalesce({{ percent(row ~ ".holdout_win_rate") }}, 'none')
    || case
        when {{ row }}.verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || {{ row }}.missing_reason || '.'
        else
            '; like with like by score, ' || {{ points(row ~ ".difference", "fewer", "more") }}
            || ' (' || {{ one_decimal("100 * " ~ row ~ ".difference_lower") }} || ' to ' || {{ one_decimal("100 * " ~ row ~ ".difference_upper") }}
            || ', {{ "%g" | format(100 * var("confidence_level")) }} % sure whenever it is read)'
            || case
                when {{ row }}.verdict = 'signal' then ', more than chance'
                when {{ row }}.action_id = 'all' then ', which chance can explain'
                else ', which with several actions compared chance can explain'
            end
            || '. Reps acted on ' || {{ percent(row ~ ".offered_acted_share") }} || ' of those offered'
            || coalesce(
                ', so per deal acted on that is ' || {{ points(row ~ ".effect_per_acted_deal", "fewer", "more") }}
                || ' (' || {{ one_decimal("100 * " ~ row ~ ".effect_per_acted_deal_lower") }}
                || ' to ' || {{ one_decimal("100 * " ~ row ~ ".effect_per_acted_deal_upper") }} || ').',
                ', too few to say what that is per deal acted on.'
            )
            || case
                when {{ row }}.further_deal_count > 0 then ' It will be known to 10 points after about ' || {{ row }}.further_deal_count || ' more deals.'
                else ''
            end
    end
{%- endmacro %}

{# What a row of rpt_intervention_effects leaves open. #}
{% macro intervention_caveat(row) -%}
    'It can''t be concluded which deals gain, what one step does apart from those that followed it, or what would come of deals that reps left alone.'
    || coalesce(
        ' That offered deals acted on won ' || {{ points(row ~ ".association_difference", "less", "more") }} || ' often than similar ones not acted on '
        || {{ interval(row ~ ".association_difference_lower", row ~ ".association_difference_upper", 100) }}
        || ' is an association only: reps choose the deals they act on.'
        || case
            when {{ row }}.association_deal_count < {{ row }}.offered_deal_count
                then
                    ' Left out of it are ' || ({{ row }}.offered_deal_count - {{ row }}.association_deal_count) || ' of ' || {{ row }}.offered_deal_count
                    || ' deals, in whose score bands all or none were acted on.'
            else ''
        end,
        ''
    )
    || case
        when {{ row }}.left_out_deal_count > 0
            then ' Left out of the comparison are ' || {{ row }}.left_out_deal_count || ' deals, in whose score bands all or none were held out.'
        else ''
    end
    || case
        when {{ row }}.action_id <> 'all' and {{ row }}.verdict = 'signal' then ' Of several actions those that stand out tend to look further from 0 than they are.'
        else ''
    end
{%- endmacro %}

{# What a row of int_missing_by_outcome says: both shares, the figures they are about, and the bounds of their win rate. #}
{% macro missing_by_outcome_finding(row) -%}
    'closed deals ' || case {{ row }}.problem
        when 'rejected' then 'turned away'
        when 'no_amount' then 'without an amount that counts'
        else 'without a close date'
    end
    || ': ' || {{ row }}.won_missing_count || ' of ' || {{ row }}.won_deal_count || ' won' || coalesce(' (' || {{ percent(row ~ ".won_missing_rate") }} || ')', '')
    || ' and ' || {{ row }}.lost_missing_count || ' of ' || {{ row }}.lost_deal_count || ' lost ones' || coalesce(' (' || {{ percent(row ~ ".lost_missing_rate") }} || ')', '')
    || case
        when {{ row }}.is_outcome_dependent then ', more unequal than chance explains; '
        else ', no more unequal than chance or 2 points explain; '
    end
    || case {{ row }}.problem
        when 'rejected' then 'every rate leaves them out'
        when 'no_amount' then 'win rates hold them, figures of money and of deal sizes leave them out'
        else 'win rates of all time and of cohorts hold them, periods, cycles and what is learnt from them leave them out'
    end
    || coalesce(
        '; with them ' || {{ percent(row ~ ".all_win_rate") }} || ' were won, ' || coalesce('without them ' || {{ percent(row ~ ".known_win_rate") }}, 'and without them nothing is left')
        || ', and if their outcomes weren''t known it could be anything from ' || {{ percent(row ~ ".win_rate_if_missing_lost") }} || ' (all of them lost) to '
        || {{ percent(row ~ ".win_rate_if_missing_won") }} || ' (all won)', ''
    )
{%- endmacro %}


{# What gives a dimension away whose values may be filled in or changed at the close: a row of int_rewritten_dimensions. #}
{% macro rewritten_finding(row, label) -%}
    {{ label }} || ' may be filled in or changed when deals close: ' || case
        when {{ row }}.is_cut then 'amounts up to ' || format('{:,}', cast(ceil(cast({{ row }}.level as double)) as bigint)) || ' are'
        when {{ row }}.level = 'Unknown' then 'no value is'
        else {{ row }}.level || ' is'
    end
    || ' on ' || {{ percent(row ~ ".now_share") }} || ' of ' || {{ row }}.all_now_deal_count || ' open deals and on ' || {{ percent(row ~ ".then_share") }}
    || ' of ' || {{ row }}.all_then_deal_count || ' deals that were open on earlier days, and '
    || coalesce({{ percent(row ~ ".won_deal_count * 1.0 / nullif(" ~ row ~ ".won_deal_count + " ~ row ~ ".lost_deal_count, 0)") }}, 'none')
    || ' of its closed deals were won against ' || coalesce({{ percent(
        "(" ~ row ~ ".all_won_deal_count - " ~ row ~ ".won_deal_count) * 1.0 / nullif(" ~ row ~ ".all_won_deal_count - " ~ row ~ ".won_deal_count + "
        ~ row ~ ".all_lost_deal_count - " ~ row ~ ".lost_deal_count, 0)"
    ) }}, 'none') || ' of the others; '
    || case
        when {{ row }}.is_accepted_as_known then 'the var accepted_at_close accepts it'
        else
            'scores and forecasts leave it out: export what a deal had while it was open, or add ' || {{ row }}.dimension
            || ' to the var accepted_at_close if nobody changes it at the close'
    end
{%- endmacro %}
