{# A number from 0 to 4294967295 that only the text decides: digits `start` to `start + 7` of its md5. #}
{% macro hash_number(column, start=1) -%}
    {{ return(adapter.dispatch("hash_number", "pipeline_intelligence")(column, start)) }}
{%- endmacro %}

{% macro default__hash_number(column, start) -%}
    cast('0x' || substr(md5({{ column }}), {{ start }}, 8) as bigint)
{%- endmacro %}


{# Columns of int_deal_observations that factors are made of. #}
{% macro score_columns(factors) %}
    {% set within = factors | selectattr('within', 'defined') | map(attribute='within') | list %}
    {{ return((factors | map(attribute='column') | list + within) | unique | list) }}
{% endmacro %}

{# The value of every factor in a row of `relation`, which holds the factors' columns; with the joins of factor_bands. #}
{% macro factor_levels(factors, relation) -%}
    {% for each in factors -%}
    {% set value = each.factor ~ 's.band' if each.band_type else relation ~ '.' ~ each.column -%}
    coalesce({{ relation ~ '.' ~ each.within ~ " || ', ' || " if each.within and each.band_type }}{{ value }}, 'Unknown') as {{ each.factor }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}

{% macro factor_bands(factors, relation, bands) -%}
    {% for each in factors if each.band_type -%}
    left join {{ bands }} as {{ each.factor }}s
        on {{ each.factor }}s.band_type = '{{ each.band_type }}' and {{ in_band(relation ~ '.' ~ each.column, each.factor ~ 's') }}
    {% endfor %}
{%- endmacro %}

{# The one value of the factor named in `factor`, out of the columns of factor_levels. A table's factors are inside each other, named and
   joined as ml_score_fits does. #}
{% macro factor_level(factor, factors, table_factors) -%}
    case {{ factor }}
        {% for each in factors -%}
        when '{{ each.factor }}' then {{ each.factor }}
        {% endfor -%}
        {% for depth in range(2, table_factors | length + 1) -%}
        when '{{ table_factors[:depth] | join(" x ") }}' then {{ table_factors[:depth] | join(" || ' | ' || ") }}
        {% endfor -%}
    end
{%- endmacro %}


{# The status of the scores, and the method whose score is shown: the one that passed the gate, else the base rate. #}
{% macro shown_method(ml_score_quality) -%}
    select
        score_status,
        case when score_status in ('model', 'table') then score_status else 'base' end as method
    from {{ ml_score_quality }}
    where fold = 'all'
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


{# Points of health from 0 to 100. What is not known stays null, which least() and greatest() would pass over. #}
{% macro zero_to_hundred(points) -%}
    case when {{ points }} is not null then cast(greatest(0, least(100, {{ points }})) as double) end
{%- endmacro %}


{# Why a deal has the score it has, in a sentence. #}
{% macro score_reason(win_probability, score_status, training_deal_count) -%}
    case
        when {{ win_probability }} is null then 'No deal has closed: nothing says how many will be won.'
        when {{ score_status }} = 'model' then 'Scored by the model of ' || {{ training_deal_count }} || ' closed deals: it passed the test on later deals.'
        when {{ score_status }} = 'table'
            then 'Scored by the table of ' || {{ training_deal_count }} || ' closed deals: it did better than the model on later deals.'
        when {{ score_status }} = 'gated'
            then
                'The base rate of ' || {{ training_deal_count }} || ' closed deals: no better score is proven, because on later deals '
                || 'the model was not surely better than chance. See rpt_score_quality.'
        else
            'The base rate of ' || {{ training_deal_count }} || ' closed deals: too few have closed long enough ago to test a model.'
    end
{%- endmacro %}


{# What rows have in common, as a text that no order of them changes: sums of two 32-bit numbers of each row's text. #}
{% macro fingerprint(text) -%}
    cast(coalesce(sum({{ hash_number(text) }}), 0) as {{ dbt.type_string() }})
    || '-' || cast(coalesce(sum({{ hash_number(text, 9) }}), 0) as {{ dbt.type_string() }})
{%- endmacro %}


{% macro three_decimals(number) -%}
    cast(cast({{ number }} as decimal(18, 3)) as {{ dbt.type_string() }})
{%- endmacro %}
