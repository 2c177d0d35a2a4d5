-- noqa: disable=layout.indent
{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}

-- depends_on: {{ ref('int_kept_score_terms') }}
with

int_current_score_build as (
    select
        *,
        {% if is_incremental() -%}
        (
            select coalesce(max(kept.build_number), 0) from {{ this }} as kept
            where kept.input_name = {{ input_name_text() }}
        ) + 1 as build_number
        {%- else -%}
        1 as build_number
        {%- endif %}
    from {{ ref('int_current_score_build') }}
    {%- if is_incremental() %}
    where build_id not in (
        select distinct kept.build_id from {{ this }} as kept
        where kept.input_name = {{ input_name_text() }}
    )
    {%- endif %}
),

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
),

int_deal_observations as (
    select * from {{ ref('int_deal_observations') }}
    where purpose = 'score'
),

-- Before any deal has trained, the base rate has no term: its log odds stand in.
final as (
    select
        {{ input_name_text() }} as input_name,
        int_current_score_build.build_id,
        cast(int_current_score_build.build_number as integer) as build_number,
        int_current_score_build.as_of_date,
        int_current_score_build.trained_as_of_date,
        int_current_score_build.model_version,
        int_current_score_build.score_status,
        int_deal_scores.deal_id,
        int_deal_scores.win_probability,
        coalesce(
            int_deal_scores.log_odds,
            case
                when int_deal_scores.win_probability > 0 and int_deal_scores.win_probability < 1
                    then ln(int_deal_scores.win_probability / (1 - int_deal_scores.win_probability))
            end
        ) as log_odds
        {%- for column in score_columns(score_factors()) %},
        int_deal_observations.{{ column }}
        {%- endfor %}
    from int_deal_scores
    cross join int_current_score_build
    left join int_deal_observations
        on int_deal_scores.deal_id = int_deal_observations.deal_id
)

select * from final
