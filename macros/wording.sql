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

{# What a row of rpt_segment_win_rates says, in a sentence that claims no more than its verdict. #}
{% macro win_rate_finding() -%}
    case when segment_dimension = 'all' then 'All deals' else segment_dimension || ' ' || segment_value end
    || case period
        when 'all' then ''
        else ', closed from ' || cast(period_start_date as {{ dbt.type_string() }}) || ' to ' || cast(period_end_date as {{ dbt.type_string() }})
    end
    || ': '
    || case
        when verdict = 'insufficient_n'
            then 'too few closed deals to judge, ' || closed_deal_count || ' where it takes {{ var("min_segment_deals") }}.'
        else
            won_deal_count || ' of ' || closed_deal_count || ' closed deals won, ' || {{ percent("win_rate") }}
            || ' ' || {{ interval("win_rate_lower", "win_rate_upper", 100) }}
            || case
                when verdict = 'not_computable' then '; there is nothing to judge it against.'
                when second_segment_value is not null
                    then
                        ', where its two segments by themselves lead to ' || {{ percent("expected_win_rate") }}
                        || case verdict
                            when 'signal' then '; the combination is associated with a different win rate.'
                            else '; with this many segments compared, chance can explain it.'
                        end
                else
                    ', ' || {{ one_decimal("100 * abs(vs_rest_difference)") }} || ' points '
                    || case when vs_rest_difference < 0 then 'below' else 'above' end || ' the other deals '
                    || {{ interval("vs_rest_difference_lower", "vs_rest_difference_upper", 100) }}
                    || case
                        when verdict <> 'signal' then '; with this many segments compared, chance can explain it.'
                        else
                            '; the segment is associated with ' || case when vs_rest_difference < 0 then 'fewer' else 'more' end || ' wins'
                            || case when segment_dimension = 'competitor' then ', if it is recorded alike in won and lost deals.' else '.' end
                    end
            end
    end
{%- endmacro %}

{# What a row of rpt_cycle_outcome_gap says, in a sentence that claims no more than its verdict. #}
{% macro cycle_gap_finding() -%}
    case when segment_dimension = 'all' then 'All deals' else segment_dimension || ' ' || segment_value end
    || ': '
    || case
        when verdict = 'insufficient_n'
            then
                'too few deals{{ " of mature cohorts" if var("maturity_filter") }} to judge, ' || won_deal_count || ' won and '
                || lost_deal_count || ' lost where it takes {{ var("min_segment_deals") }} of each.'
        else
            'won deals took ' || {{ one_decimal("median_won_cycle_days") }} || ' days and lost deals '
            || {{ one_decimal("median_lost_cycle_days") }} || ' (medians of ' || won_deal_count || ' and ' || lost_deal_count
            || '), a shift of ' || {{ one_decimal("cycle_shift_days") }} || ' days '
            || {{ interval("cycle_shift_lower_days", "cycle_shift_upper_days") }}
            || case
                when verdict <> 'signal' then '; with this many segments compared, chance can explain it.'
                when cycle_shift_days < 0 then '; wins are associated with shorter cycles.'
                when cycle_shift_days > 0 then '; wins are associated with longer cycles.'
                else '; won and lost deals are associated with different cycles.'
            end
    end
{%- endmacro %}

{# What a row of rpt_win_rate_drivers says, in a sentence that claims no more than its verdict. #}
{% macro driver_finding() -%}
    factor || ' ' || level || ': '
    || case
        when vs_others_pp is null and pooled_levels is null then coalesce(missing_reason, 'nothing to compare with')
        when pooled_levels is not null
            then 'values with fewer than {{ var("min_level_deals") }} closed deals each, not judged: ' || pooled_levels
        else
            won_deal_count || ' of ' || closed_deal_count || ' closed deals won, and with the other factors held equal '
            || {{ one_decimal("abs(vs_others_pp)") }} || ' points ' || case when vs_others_pp < 0 then 'below' else 'above' end
            || ' the other levels ' || {{ interval("vs_others_lower_pp", "vs_others_upper_pp") }}
            || case
                when not is_judged then '; whether that is chance is judged elsewhere'
                when missing_reason is not null then '; ' || missing_reason
                when verdict <> 'signal' then '; with this many levels compared, chance can explain it'
                when vs_others_pp < 0 then '; the level is associated with fewer wins'
                else '; the level is associated with more wins'
            end
    end || '.'
    || case when is_sign_flip then ' Its direction changes between half-years.' else '' end
    || case when is_penalised then ' Some levels only win or only lose, so all effects are drawn in a little.' else '' end
    || case when is_known_only_after_close then ' Describes, and can''t foresee: the cycle band is known only after the close.' else '' end
{%- endmacro %}

{# What a row of rpt_win_rate_change says, in a sentence that claims no more than its verdicts. #}
{% macro win_rate_change_finding() -%}
    case when segment_dimension = 'all' then 'All deals' else segment_dimension || ' ' || segment_value end
    || ', ' || replace(period_type, '_', '-') || ' from ' || cast(period_start_date as {{ dbt.type_string() }})
    || ' against the one before: '
    || case
        when verdict = 'insufficient_n'
            then
                'too few closed deals to judge, ' || closed_deal_count || ' and ' || previous_closed_deal_count
                || ' where it takes {{ var("min_segment_deals") }} of each.'
        when segment_dimension = 'all'
            then
                {{ percent("win_rate") }} || ' of ' || closed_deal_count || ' closed deals won after ' || {{ percent("previous_win_rate") }}
                || ' of ' || previous_closed_deal_count || ', a change of ' || {{ one_decimal("100 * total_change") }} || ' points '
                || coalesce({{ interval("total_change_lower", "total_change_upper", 100) }}, '')
                || case
                    when verdict <> 'signal' then '; with this many periods compared, chance can explain it.'
                    when total_change < 0 then '; the win rate fell.'
                    else '; the win rate rose.'
                end
        else
            case
                when closed_deal_count = 0 or previous_closed_deal_count = 0 then ''
                else
                    'its win rate went from ' || {{ percent("previous_win_rate") }} || ' to ' || {{ percent("win_rate") }} || ', which accounts for '
                    || {{ one_decimal("100 * rate_effect") }} || ' points of the change ' || {{ interval("rate_effect_lower", "rate_effect_upper", 100) }} || ', and '
            end
            || 'its share of closed deals went from ' || {{ percent("previous_deal_share") }} || ' to ' || {{ percent("deal_share") }}
            || ', which accounts for ' || {{ one_decimal("100 * mix_effect") }} || ' points '
            || {{ interval("mix_effect_lower", "mix_effect_upper", 100) }}
            || case
                when rate_verdict = 'signal' and mix_verdict = 'signal' then '; both are more than chance.'
                when rate_verdict = 'signal' then '; the change of its win rate is more than chance.'
                when mix_verdict = 'signal' then '; the effect of its share is more than chance.'
                else '; with this many segments compared, chance can explain it.'
            end
    end
{%- endmacro %}

{# What the chart of rpt_win_rate_trend says of a period, with how often it is wrong: measured at the default vars, see tools/simulations/trend.py. #}
{% macro trend_chart_finding() -%}
    case basis when 'closed_date' then 'Closed' else 'Created' end
    || ' from ' || cast(period_start_date as {{ dbt.type_string() }}) || ' to ' || cast(period_end_date as {{ dbt.type_string() }})
    || case when is_risk_adjusted then ', for its mix of deals' else '' end || ': '
    || case
        when win_rate is null then 'no deal has closed'
        else
            won_deal_count || ' of ' || (won_deal_count + lost_deal_count) || ' closed deals won, ' || {{ percent("win_rate") }}
            || ' ' || {{ interval("win_rate_lower", "win_rate_upper", 100) }}
    end
    || case
        when basis = 'created_cohort' and is_mature then '.'
        when basis = 'created_cohort'
            then
                '; ' || open_deal_count || ' more are open, so it will end between ' || {{ percent("win_rate_least") }}
                || ' and ' || {{ percent("win_rate_most") }} || '.'
        when verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || missing_reason || '.'
        else
            ', ' || {{ one_decimal("100 * abs(win_rate - expected_win_rate)") }} || ' points '
            || case when win_rate < expected_win_rate then 'below' else 'above' end || ' the ' || {{ percent("expected_win_rate") }}
            || ' that ' || baseline_period_count || ' earlier periods lead to; '
            || case
                when verdict = 'no_signal' then 'chance can explain it.'
                when alarm_kind = 'cusum' then 'an alarm, because it adds to periods before it that went the same way.'
                else 'an alarm, because it lies outside its limits.'
            end
            || ' (Of steady series with twelve tested periods 3 in 100 hold an alarm, 7 if the rate wanders by 3 points, 11 if by 6.)'
    end
{%- endmacro %}

{# What the trend test of rpt_win_rate_trend says of a series, in a sentence that claims no more than its verdict. #}
{% macro trend_finding() -%}
    case basis when 'closed_date' then 'Win rate by ' || period_type || ' of the close' else 'Win rate by ' || period_type || ' of the creation' end
    || case when is_risk_adjusted then ', for its mix of deals' else '' end || ': '
    || case trend_verdict
        when 'insufficient_n' then trend_period_count || ' complete periods, too few for a trend.'
        when 'not_computable' then 'no trend can be computed.'
        else
            {{ one_decimal("abs(trend_pp_per_period)") }} || ' points '
            || case when trend_pp_per_period < 0 then 'down' else 'up' end || ' a ' || period_type || ' over ' || trend_period_count
            || ' periods and ' || trend_deal_count || ' deals ' || {{ interval("trend_lower_pp", "trend_upper_pp") }}
            || case trend_verdict when 'signal' then '; more than chance.' else '; chance can explain it.' end
    end
{%- endmacro %}

{# What a row of rpt_lost_reasons says, in a sentence that claims no more than its verdict. #}
{% macro lost_reason_finding() -%}
    case lost_reason when 'None recorded' then 'No reason recorded' else lost_reason end || ': '
    || case
        when verdict = 'insufficient_n'
            then
                'too few lost deals to judge a change, ' || lost_deal_count || ' in the last four quarters and ' || previous_lost_deal_count
                || ' in the four before where it takes {{ var("min_segment_deals") }} together.'
        when verdict = 'not_computable' then 'nothing to compare, because every lost deal has it.'
        else
            lost_deal_count || ' of ' || all_lost_deal_count || ' deals lost from ' || cast(period_start_date as {{ dbt.type_string() }}) || ' to '
            || cast(period_end_date as {{ dbt.type_string() }}) || ', ' || {{ percent("lost_share") }} || ' '
            || {{ interval("lost_share_lower", "lost_share_upper", 100) }} || ', ' || {{ one_decimal("100 * abs(share_change)") }} || ' points '
            || case when share_change < 0 then 'less' else 'more' end || ' than in the four quarters before '
            || {{ interval("share_change_lower", "share_change_upper", 100) }}
            || case verdict when 'signal' then '; more than chance.' else '; chance can explain it.' end
    end
{%- endmacro %}

{# What a row of rpt_rep_performance says of the win rate, in a sentence that claims no more than its verdict. #}
{% macro rep_finding() -%}
    rep_name || ': '
    || case
        when coalesce(closed_deal_count, 0) = 0 then 'no deal has closed.'
        else
            won_deal_count || ' of ' || closed_deal_count || ' closed deals won, ' || {{ percent("win_rate") }}
            || ' ' || {{ interval("win_rate_lower", "win_rate_upper", 100) }}
            || case
                when verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || missing_reason || '.'
                else
                    ', where ' || {{ one_decimal("expected_won_deal_count") }} || ' are expected of such deals; '
                    || case
                        when verdict = 'signal' and won_deal_count < expected_won_deal_count then 'fewer wins'
                        when verdict = 'signal' then 'more wins'
                        else 'with ' || judged_rep_count || ' reps compared, chance'
                    end
                    || case
                        when verdict = 'signal' then ' than chance' || case when dispersion > 1 then ' and the usual spread of reps' else '' end || ' can explain.'
                        when dispersion > 1 then ' and the usual spread of reps can explain it.'
                        else ' can explain it.'
                    end
            end
    end
{%- endmacro %}

{# What a row of rpt_rep_performance says of past forecasts, in a sentence that claims no more than its verdict. #}
{% macro rep_forecast_finding() -%}
    rep_name || ': '
    || case
        when forecast_deal_count is null then 'nothing was said of a past pipeline that has closed since.'
        else
            'of pipelines at ' || forecast_date_count || ' past month ends (' || forecast_deal_count || ' deals) the CRM said '
            || cast(cast(forecast_amount as bigint) as {{ dbt.type_string() }}) || ' and '
            || cast(cast(realised_amount as bigint) as {{ dbt.type_string() }}) || ' was won'
            || case
                when forecast_bias_verdict in ('insufficient_n', 'not_computable') then '; too little to judge.'
                else
                    ', ' || {{ percent("abs(forecast_bias_rate)") }} || ' too ' || case when forecast_bias_rate < 0 then 'little' else 'much' end
                    || ' ' || {{ interval("forecast_bias_lower", "forecast_bias_upper", 100) }}
                    || case forecast_bias_verdict when 'signal' then '; more than chance.' else '; chance can explain it.' end
            end
    end
{%- endmacro %}

{# What a row of rpt_intervention_effects says, in a sentence that claims no more than its verdict. #}
{% macro intervention_finding() -%}
    case action_id when 'all' then 'Any action' else action_id end
    || ': of ' || offered_deal_count || ' deals to which it was offered when they were first flagged ' || coalesce({{ percent("offered_win_rate") }}, 'none')
    || ' were won, of ' || holdout_deal_count || ' held out ' || coalesce({{ percent("holdout_win_rate") }}, 'none')
    || case
        when verdict in ('insufficient_n', 'not_computable') then '; not judged: ' || missing_reason || '.'
        else
            '; like with like by score, ' || {{ one_decimal("100 * abs(difference)") }} || ' points ' || case when difference < 0 then 'fewer' else 'more' end
            || ' ' || {{ interval("difference_lower", "difference_upper", 100) }}
            || case
                when verdict = 'signal' then ', more than chance'
                when action_id = 'all' then ', which chance can explain'
                else ', which with several actions compared chance can explain'
            end
            || '. Reps acted on ' || {{ percent("offered_acted_share") }} || ' of those offered'
            || coalesce(
                ', so per deal acted on that is ' || {{ one_decimal("100 * abs(effect_per_acted_deal)") }} || ' points '
                || case when effect_per_acted_deal < 0 then 'fewer ' else 'more ' end
                || {{ interval("effect_per_acted_deal_lower", "effect_per_acted_deal_upper", 100) }} || '.',
                ', too few to say what that is per deal acted on.'
            )
    end
{%- endmacro %}

{# What a row of rpt_intervention_effects leaves open. #}
{% macro intervention_caveat() -%}
    'It can''t be concluded which deals gain, what one step does apart from those that followed it, or what would come of deals that reps left alone.'
    || coalesce(
        ' That offered deals acted on won ' || {{ one_decimal("100 * abs(association_difference)") }} || ' points '
        || case when association_difference < 0 then 'less' else 'more' end || ' often than similar ones not acted on '
        || {{ interval("association_difference_lower", "association_difference_upper", 100) }}
        || ' is an association only: reps choose the deals they act on.'
        || case
            when association_deal_count < offered_deal_count
                then
                    ' Left out of it are ' || (offered_deal_count - association_deal_count) || ' of ' || offered_deal_count
                    || ' deals, in whose score bands all or none were acted on.'
            else ''
        end,
        ''
    )
    || case
        when action_id <> 'all' and verdict = 'signal' then ' Of several actions those that stand out tend to look further from 0 than they are.'
        else ''
    end
{%- endmacro %}
