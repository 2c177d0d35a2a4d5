{# A number from 0 to 4294967295 that only the text decides: digits `start` to `start + 7` of its md5. #}
{% macro hash_number(column, start=1) -%}
    {{ return(adapter.dispatch("hash_number", "pipeline_intelligence")(column, start)) }}
{%- endmacro %}

{% macro default__hash_number(column, start) -%}
    cast('0x' || substr(md5({{ column }}), {{ start }}, 8) as bigint)
{%- endmacro %}


{# The factors of a score's terms in column expressions over int_score_observations: each factor, and each factor of the table inside
   the ones before it, named and joined as ml_score_fits does. #}
{% macro score_terms(relation=none) %}
    {% set terms, prefix = [], relation ~ '.' if relation else '' %}
    {% for each in var('score_factors') %}
        {% do terms.append((each.factor, prefix ~ each.factor)) %}
    {% endfor %}
    {% set factors = var('score_table_factors') %}
    {% for depth in range(1, factors | length) %}
        {% do terms.append((factors[:depth + 1] | join(' x '), prefix ~ factors[:depth + 1] | join(" || ' | ' || " ~ prefix))) %}
    {% endfor %}
    {{ return(terms) }}
{% endmacro %}


{# Why a deal has the score it has, in a sentence. #}
{% macro score_reason() -%}
    case
        when scored.win_probability is null then 'No deal has closed: nothing says how many will be won.'
        when scored.score_status = 'model'
            then 'Scored by the model of ' || scored.training_deal_count || ' closed deals: it passed the test on later deals.'
        when scored.score_status = 'table'
            then 'Scored by the table of ' || scored.training_deal_count || ' closed deals: it did better than the model on later deals.'
        when scored.score_status = 'gated'
            then
                'The base rate of ' || scored.training_deal_count || ' closed deals: no better score is proven, because on later deals '
                || 'the model was not surely better than chance. See rpt_score_quality.'
        else
            'The base rate of ' || scored.training_deal_count || ' closed deals: too few have closed long enough ago to test a model.'
    end
{%- endmacro %}


{# What a row of rpt_score_quality says, in a sentence that claims no more than its verdict. #}
{% macro score_quality_finding() -%}
    case
        when auc is null then 'Too few deals have closed long enough ago to test a score on deals created after its training: the base rate is shown.'
        else
            'On ' || deal_count || ' deals created after the training, the score put a won deal above a lost one in ' || {{ percent('auc') }}
            || ' of pairs ' || {{ interval('auc_lower', 'auc_upper', 100) }} || ', and its squared error was '
            || {{ percent('abs(1 - brier / nullif(brier_base, 0))') }} || case when brier <= brier_base then ' below' else ' above' end
            || ' that of the base rate.'
            || case
                when fold <> 'all' then ''
                when final_status = 'model' then ' The gate is open: scores come from the model.'
                when final_status = 'table' then ' The gate is open: scores come from the table, which did better than the model.'
                else ' The gate is closed: that could be chance, so every open deal shows the base rate.'
            end
            || case
                when fold <> 'all' or final_status = 'gated' then ''
                when is_ready then ''
                else ' It is too weak to act on without a person.'
            end
    end
{%- endmacro %}


{# Columns of int_deal_observations that factors are made of. #}
{% macro score_columns() %}
    {% set factors = var('score_factors') %}
    {{ return((factors | map(attribute='column') | list + factors | selectattr('within', 'defined') | map(attribute='within') | list) | unique | list) }}
{% endmacro %}

{# The value of every factor of a score in a row of `relation` that holds their columns; with the joins of factor_bands. #}
{% macro factor_levels(relation) -%}
    {% for each in var('score_factors') -%}
    coalesce(
        {%- if each.within and each.band_type %}
        {{ relation }}.{{ each.within }} || ', ' || {{ each.factor }}s.band,
        {%- elif each.band_type %}
        {{ each.factor }}s.band,
        {%- else %}
        {{ relation }}.{{ each.column }},
        {%- endif %}
        'Unknown'
    ) as {{ each.factor }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}

{% macro factor_bands(relation) -%}
    {% for each in var('score_factors') if each.band_type -%}
    left join bands as {{ each.factor }}s
        on
            {{ each.factor }}s.band_type = '{{ each.band_type }}'
            and {{ in_band(relation ~ '.' ~ each.column, each.factor ~ 's') }}
    {% endfor %}
{%- endmacro %}

{# The one value of the factor named in `factor`, out of the columns of factor_levels. #}
{% macro factor_level(factor) -%}
    case {{ factor }}
        {% for name, level in score_terms() -%}
        when '{{ name }}' then {{ level }}
        {% endfor -%}
    end
{%- endmacro %}


{# The date whose knowledge the fit is: a later one than the as-of date is the as-of date. #}
{% macro train_date(as_of_date) -%}
    {% if var('train_as_of_date', none) -%}
    least({{ as_of_date }}, cast('{{ var("train_as_of_date") }}' as date))
    {%- else -%}
    {{ as_of_date }}
    {%- endif %}
{%- endmacro %}


{% macro risk_score(win_probability) -%}
    cast(round(100 * (1 - {{ win_probability }})) as integer)
{%- endmacro %}


{# What rows have in common, as a text that no order of them changes: sums of two 32-bit numbers of each row's text. #}
{% macro fingerprint(text) -%}
    cast(coalesce(sum({{ hash_number(text) }}), 0) as {{ dbt.type_string() }})
    || '-' || cast(coalesce(sum({{ hash_number(text, 9) }}), 0) as {{ dbt.type_string() }})
{%- endmacro %}


{# The vars that decide about scores, as text. What decides by the input alone is in the input's fingerprint. #}
{% macro score_settings() %}
    {% set settings = {} %}
    {% for name in [
        'score_factors', 'score_table_factors', 'score_penalties', 'score_penalty_groups', 'score_folds', 'score_first_training_share',
        'score_min_fold_deals', 'score_min_level_deals', 'score_max_levels', 'score_gate_confidence_level', 'score_gate_t_value',
        'default_prior_deals', 'maturity_filter', 'maturity_quantile', 'max_mature_open_share',
    ] %}
        {% do settings.update({name: var(name)}) %}
    {% endfor %}
    {{ return(tojson(settings, sort_keys=true)) }}
{% endmacro %}


{# What a row of rpt_score_drift says, in a sentence that claims no more than its verdict. #}
{% macro score_drift_finding() -%}
    upper(substr(factor_label, 1, 1)) || substr(factor_label, 2)
    || case
        when missing_reason is not null then ': not judged, ' || missing_reason || '.'
        else
            ' ' || case when level = 'other' then '(rare values)' else level end || ': ' || {{ percent('open_share') }} || ' of ' || open_deal_count
            || ' open deals, ' || {{ percent('reference_share') }} || ' of those open at past month ends (' || reference_deal_count
            || ' deals). All values together differ by a PSI of ' || {{ three_decimals('psi') }} || ', where chance alone makes '
            || {{ three_decimals('no_drift_psi') }} || ' on average and seldom more than ' || {{ three_decimals('no_drift_psi_upper') }}
            || case verdict
                when 'signal' then ': the open deals differ from those before them.'
                else ': with this many factors compared, chance can explain it.'
            end
    end
{%- endmacro %}

{% macro three_decimals(number) -%}
    cast(cast({{ number }} as decimal(18, 3)) as {{ dbt.type_string() }})
{%- endmacro %}
