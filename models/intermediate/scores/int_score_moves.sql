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

builds as (
    select distinct
        build_id,
        build_number,
        as_of_date,
        model_version
    from {{ ref('int_score_snapshots') }}
),

-- The build before: as of the newest older date, the last one of those kept then. A build of another day's data changes no row that stands.
pairs as (
    select
        builds.build_id,
        previous.build_id as previous_build_id,
        previous.model_version as previous_model_version,
        {{ dbt.datediff('previous.as_of_date', 'builds.as_of_date', 'day') }} as days_between,
        row_number() over (partition by builds.build_id order by previous.as_of_date desc, previous.build_number desc) as nearness
    from builds
    inner join builds as previous
        on
            builds.as_of_date > previous.as_of_date
            and builds.build_number > previous.build_number
),

new_pairs as (
    select * from pairs
    where
        nearness = 1
        {% if is_incremental() -%}
        and build_id not in (select kept.build_id from {{ this }} as kept)
        {%- endif %}
),

-- A deal as it was, as the mere passing of days would have made it, and as it is.
states as (
    {% for state in ['was', 'aged', 'is'] -%}
    select
        new_pairs.build_id,
        new_pairs.previous_build_id,
        new_pairs.previous_model_version,
        '{{ state }}' as state,
        snapshots.deal_id
        {%- for column in columns %},
        snapshots.{{ column }}{{ " + new_pairs.days_between as " ~ column if state == 'aged' and column in daily_columns }}
        {%- endfor %}
    from new_pairs
    inner join {{ ref('int_score_snapshots') }} as snapshots
        on new_pairs.{{ 'build_id' if state == 'is' else 'previous_build_id' }} = snapshots.build_id
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

version_factors as (
    select distinct
        model_version,
        factor
    from int_score_versions
),

valued as (
    select
        with_levels.*,
        version_factors.factor,
        {{ factor_level('version_factors.factor') }} as level
    from with_levels
    left join version_factors
        on with_levels.previous_model_version = version_factors.model_version
),

final as (
    select
        valued.build_id,
        valued.previous_build_id,
        valued.deal_id,
        coalesce(sum(case state when 'aged' then contribution when 'was' then -contribution end), 0) as log_odds_by_ageing,
        coalesce(sum(case state when 'is' then contribution when 'aged' then -contribution end), 0) as log_odds_by_data
    from valued
    left join int_score_versions as terms
        on
            valued.previous_model_version = terms.model_version
            and valued.factor = terms.factor
            and valued.level = terms.level
    group by valued.build_id, valued.previous_build_id, valued.deal_id
    having count(distinct state) = 3
)

select * from final
