-- noqa: disable=layout.indent
{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}
{% set columns = score_columns() %}
{% set daily_columns = var('score_factors') | selectattr('grows_daily', 'defined') | map(attribute='column') | list %}

with

bands as (
    select * from {{ ref('bands') }}
),

int_score_versions as (
    select * from {{ ref('int_score_versions') }}
),

new_builds as (
    select * from {{ ref('int_score_builds') }}
    {%- if is_incremental() %}
    where build_id not in (select distinct kept.build_id from {{ this }} as kept)
    {%- endif %}
),

-- A deal as it was, as the mere passing of days would have made it, and as it is.
states as (
    {% for state in ['was', 'aged', 'is'] -%}
    select
        new_builds.build_id,
        new_builds.previous_build_id,
        new_builds.previous_model_version,
        '{{ state }}' as state,
        snapshots.deal_id
        {%- for column in columns %},
        snapshots.{{ column }}{{ " + new_builds.days_between as " ~ column if state == 'aged' and column in daily_columns }}
        {%- endfor %}
    from new_builds
    inner join {{ ref('int_score_snapshots') }} as snapshots
        on new_builds.{{ 'build_id' if state == 'is' else 'previous_build_id' }} = snapshots.build_id
    {{ "union all" if not loop.last }}
    {% endfor %}
),

with_levels as (
    select
        states.build_id,
        states.previous_build_id,
        states.previous_model_version,
        states.state,
        states.deal_id,
        {{ factor_levels('states') }}
    from states
    {{ factor_bands('states') }}
),

-- A join a factor: rows of deals by factors would be a dozen times as many. A value without a term adds nothing.
valued as (
    select
        with_levels.build_id,
        with_levels.previous_build_id,
        with_levels.deal_id,
        with_levels.state,
        {% for factor, level in score_terms() -%}
        coalesce(terms_{{ loop.index }}.contribution, 0){{ " +" if not loop.last else " as log_odds" }}
        {% endfor %}
    from with_levels
    {% for factor, level in score_terms('with_levels') -%}
    left join int_score_versions as terms_{{ loop.index }}
        on
            terms_{{ loop.index }}.factor = '{{ factor }}'
            and with_levels.previous_model_version = terms_{{ loop.index }}.model_version
            and {{ level }} = terms_{{ loop.index }}.level
    {% endfor -%}
),

final as (
    select
        build_id,
        previous_build_id,
        deal_id,
        sum(case state when 'aged' then log_odds when 'was' then -log_odds else 0 end) as log_odds_by_ageing,
        sum(case state when 'is' then log_odds when 'aged' then -log_odds else 0 end) as log_odds_by_data
    from valued
    group by build_id, previous_build_id, deal_id
    having count(distinct state) = 3
)

select * from final
