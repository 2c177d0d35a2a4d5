{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}

with

int_current_score_build as (
    select * from {{ ref('int_current_score_build') }}
    {%- if is_incremental() %}
    where model_version not in (
        select distinct kept.model_version from {{ this }} as kept
        where kept.input_name = {{ input_name_text() }}
    )
    {%- endif %}
),

ml_score_fits as (
    select * from {{ ref('ml_score_fits') }}
    where fit = 'final'
),

final as (
    select
        {{ input_name_text() }} as input_name,
        int_current_score_build.model_version,
        int_current_score_build.method,
        ml_score_fits.factor,
        ml_score_fits.level,
        ml_score_fits.contribution
    from int_current_score_build
    inner join ml_score_fits
        on int_current_score_build.method = ml_score_fits.method
)

select * from final
