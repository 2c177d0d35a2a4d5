-- noqa: disable=layout.indent
{{ config(materialized = 'view') }}

with

int_score_observations as (
    select * from {{ ref('int_score_observations') }}
),

ml_score_fits as (
    select * from {{ ref('ml_score_fits') }}
),

fits as (
    select
        fit,
        trained_until_date,
        tested_until_date,
        lead(trained_until_date) over (partition by method order by trained_until_date nulls last) as next_trained_until_date,
        method,
        contribution as average_log_odds
    from ml_score_fits
    where factor is null
),

method_factors as (
    select distinct
        fit,
        method,
        factor
    from ml_score_fits
),

-- Deals created in a fold's test period, past pipelines by the newest fit that was known then, and open deals by the final fit.
scored as (
    select
        int_score_observations.*,
        fits.fit,
        fits.method,
        fits.average_log_odds
    from int_score_observations
    inner join fits
        on case
            when int_score_observations.purpose = 'score' and fits.tested_until_date is null then 1
            when
                int_score_observations.purpose = 'training'
                and int_score_observations.created_date > fits.trained_until_date
                and int_score_observations.created_date <= fits.tested_until_date
                then 1
            when
                int_score_observations.purpose = 'backtest'
                and fits.method = 'model'
                and int_score_observations.observation_date >= fits.trained_until_date
                and (fits.next_trained_until_date is null or int_score_observations.observation_date < fits.next_trained_until_date)
                then 1
            else 0
        end = 1
),

with_levels as (
    select
        scored.deal_id,
        scored.observation_date,
        scored.purpose,
        scored.is_won,
        scored.deal_weight,
        scored.fit,
        scored.method,
        scored.average_log_odds,
        method_factors.factor,
        {{ factor_level('method_factors.factor', score_factors(), var('score_table_factors')) }} as level
    from scored
    inner join method_factors
        on
            scored.fit = method_factors.fit
            and scored.method = method_factors.method
),

-- A value that the fit doesn't know contributes nothing: the deal is scored as the average one in this factor.
final as (
    select
        with_levels.*,
        coalesce(ml_score_fits.contribution, 0) as contribution,
        ml_score_fits.level is null and with_levels.factor is not null as is_unseen,
        ml_score_fits.level_share,
        ml_score_fits.level_deal_count
    from with_levels
    left join ml_score_fits
        on
            with_levels.fit = ml_score_fits.fit
            and with_levels.method = ml_score_fits.method
            and with_levels.factor = ml_score_fits.factor
            and with_levels.level = ml_score_fits.level
)

select * from final
