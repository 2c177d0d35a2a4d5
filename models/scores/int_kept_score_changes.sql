-- noqa: disable=layout.indent
{{ config(materialized = 'incremental', incremental_strategy = 'append', on_schema_change = 'append_new_columns', full_refresh = false) }}
{% set factors = score_factors() %}
{% set daily_columns = factors | selectattr('grows_daily', 'defined') | map(attribute='column') | list %}

with

bands as (
    select * from {{ ref('int_bands') }}
),

int_kept_score_terms as (
    select * from {{ ref('int_kept_score_terms') }}
    where input_name = {{ input_name_text() }}
),

builds as (
    select distinct
        build_id,
        build_number,
        as_of_date,
        model_version
    from {{ ref('int_kept_deal_scores') }}
    where input_name = {{ input_name_text() }}
),

-- The build before: as of the newest older date, the last one that was kept then. So no later build changes a row that stands.
new_builds as (
    select
        builds.build_id,
        previous.build_id as previous_build_id,
        previous.model_version as previous_model_version,
        cast({{ dbt.datediff('previous.as_of_date', 'builds.as_of_date', 'day') }} as integer) as days_between
    from builds
    inner join builds as previous
        on
            builds.as_of_date > previous.as_of_date
            and builds.build_number > previous.build_number
    {%- if is_incremental() %}
    where builds.build_id not in (
        select distinct kept.build_id from {{ this }} as kept
        where kept.input_name = {{ input_name_text() }}
    )
    {%- endif %}
    qualify row_number() over (partition by builds.build_id order by previous.as_of_date desc, previous.build_number desc) = 1
),

-- A deal as it was, as the mere passing of days would have made it, and as it is.
states as (
    select
        new_builds.build_id,
        new_builds.previous_build_id,
        new_builds.previous_model_version,
        states.state,
        snapshots.deal_id
        {%- for column in score_columns(factors) %},
        snapshots.{{ column }}{{ " + case states.state when 'aged' then new_builds.days_between else 0 end as " ~ column if column in daily_columns }}
        {%- endfor %}
    from new_builds
    cross join (values ('was'), ('aged'), ('is')) as states (state)
    inner join {{ ref('int_kept_deal_scores') }} as snapshots
        on
            case states.state when 'is' then new_builds.build_id else new_builds.previous_build_id end = snapshots.build_id
            and snapshots.input_name = {{ input_name_text() }}
),

with_levels as (
    select
        states.build_id,
        states.previous_build_id,
        states.previous_model_version,
        states.state,
        states.deal_id,
        {{ factor_levels(factors, 'states') }}
    from states
    {{ factor_bands(factors, 'states', 'bands') }}
),

version_factors as (
    select distinct
        model_version,
        factor
    from int_kept_score_terms
),

valued as (
    select
        with_levels.build_id,
        with_levels.previous_build_id,
        with_levels.previous_model_version,
        with_levels.state,
        with_levels.deal_id,
        version_factors.factor,
        {{ factor_level('version_factors.factor', factors, var('score_table_factors')) }} as level
    from with_levels
    inner join version_factors
        on with_levels.previous_model_version = version_factors.model_version
),

-- A value without a term adds nothing.
contributions as (
    select
        valued.*,
        cast(coalesce(int_kept_score_terms.contribution, 0) as decimal(38, 18)) as contribution
    from valued
    left join int_kept_score_terms
        on
            valued.previous_model_version = int_kept_score_terms.model_version
            and valued.factor = int_kept_score_terms.factor
            and valued.level = int_kept_score_terms.level
),

-- Decimals, because their sum is the same in any order.
final as (
    select
        {{ input_name_text() }} as input_name,
        build_id,
        previous_build_id,
        deal_id,
        cast(sum(case state when 'aged' then contribution when 'was' then -contribution else 0 end) as double) as log_odds_by_ageing,
        cast(sum(case state when 'is' then contribution when 'aged' then -contribution else 0 end) as double) as log_odds_by_data
    from contributions
    group by build_id, previous_build_id, deal_id
    having bool_or(state = 'was') and bool_or(state = 'is')
)

select * from final
