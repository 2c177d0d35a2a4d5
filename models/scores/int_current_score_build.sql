{# The vars that decide about scores. What decides by the input alone is in the input's fingerprint. #}
{% set settings = {} %}
{% for name in [
    'score_table_factors', 'score_penalties', 'score_penalty_groups', 'score_folds', 'score_first_training_share',
    'score_min_fold_deals', 'score_min_level_deals', 'score_max_levels', 'score_gate_confidence_level', 'score_gate_t_value',
    'default_prior_deals', 'maturity_quantile', 'max_mature_open_share',
] %}
{% do settings.update({name: var(name)}) %}
{% endfor %}
{% do settings.update({'score_factors': score_factors()}) %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_score_observations as (
    select * from {{ ref('int_score_observations') }}
    where purpose in ('training', 'score')
),

statuses as (
    {{ shown_method(ref('ml_score_quality')) }}
),

-- The input as far as scores read it, and as it was known on the as-of date: a file that only grew since then is the same input.
input_rows as (
    select
        deal_id || '|' || purpose || '|' || cast(observation_date as {{ dbt.type_string() }})
        || '|' || cast(created_date as {{ dbt.type_string() }})
        || '|' || coalesce(cast(closed_date as {{ dbt.type_string() }}) || cast(is_won as {{ dbt.type_string() }}), '')
        {% for each in score_factors() -%}
        || '|' || {{ each.factor }}
        {% endfor %} as row_text
    from int_score_observations
),

inputs as (
    select {{ fingerprint('row_text') }} as input_fingerprint
    from input_rows
),

-- Terms equal to six decimals are the same model.
term_texts as (
    select
        ml_score_fits.method || '|' || coalesce(ml_score_fits.factor, '') || '|' || coalesce(ml_score_fits.level, '')
        || '|' || cast(cast(round(ml_score_fits.contribution * 1000000) as bigint) as {{ dbt.type_string() }}) as term_text
    from {{ ref('ml_score_fits') }} as ml_score_fits
    inner join statuses
        on ml_score_fits.method = statuses.method
    where ml_score_fits.fit = 'final'
),

fits as (
    select {{ fingerprint('term_text') }} as term_fingerprint
    from term_texts
),

versions as (
    select
        int_as_of.as_of_date,
        {{ train_date('int_as_of.as_of_date') }} as trained_as_of_date,
        statuses.score_status,
        statuses.method,
        substr(md5(statuses.method || '|' || fits.term_fingerprint), 1, 12) as model_version,
        inputs.input_fingerprint
    from int_as_of
    cross join statuses
    cross join fits
    cross join inputs
),

final as (
    select
        substr(md5(
            cast(as_of_date as {{ dbt.type_string() }}) || '|' || cast(trained_as_of_date as {{ dbt.type_string() }})
            || '|' || model_version || '|' || score_status || '|' || input_fingerprint
            || '|' || '{{ config.get("meta").project_version }}' || '|' || '{{ tojson(settings, sort_keys=true) | replace("'", "''") }}'
        ), 1, 12) as build_id,
        as_of_date,
        trained_as_of_date,
        score_status,
        method,
        model_version
    from versions
)

select * from final
