-- noqa: disable=layout.indent
{% set period_end = quarter_end(dbt.dateadd('day', 1, 'as_of_date')) %}
{% set prior = var('rapv_prior_deals') %}

with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_deal_observations as (
    select * from {{ ref('int_deal_observations') }}
),

bands as (
    select * from {{ ref('int_bands') }}
    where band_type = 'deal_age_band'
),

periods as (
    select
        {{ period_end }} as period_end_date,
        {{ dbt.datediff('as_of_date', period_end, 'day') }} as period_days
    from int_as_of
),

observed as (
    select
        int_deal_observations.deal_id,
        int_deal_observations.purpose,
        int_deal_observations.is_won,
        coalesce(int_deal_observations.stage, 'Unknown') as stage,
        bands.band as deal_age_band,
        periods.period_end_date,
        case
            when {{ dbt.datediff('int_deal_observations.observation_date', 'int_deal_observations.closed_date', 'day') }}
            <= periods.period_days then 1.0
            else 0.0
        end as is_in_time
    from int_deal_observations
    cross join periods
    left join bands
        on {{ in_band('int_deal_observations.age_days', 'bands') }}
),

cells as (
    select
        stage,
        deal_age_band,
        grouping(stage) + grouping(deal_age_band) as depth,
        count(distinct case when is_won then deal_id end) as won_count,
        coalesce(avg(case when is_won then is_in_time end), 0) as won_share,
        count(distinct case when not is_won then deal_id end) as lost_count,
        coalesce(avg(case when not is_won then is_in_time end), 0) as lost_share
    from observed
    where purpose = 'training'
    group by grouping sets ((), (stage), (stage, deal_age_band))  -- noqa: PRS
),

-- A deal's days are one piece of evidence: shares are shrunk by deals, of the stage and age to the stage, of the stage to all.
final as (
    select
        observed.deal_id,
        observed.period_end_date,
        cast(least(1, (
            coalesce(cells.won_share * cells.won_count, 0)
            + {{ prior }} * (coalesce(stages.won_share * stages.won_count, 0) + {{ prior }} * everything.won_share)
            / (coalesce(stages.won_count, 0) + {{ prior }})
        ) / (coalesce(cells.won_count, 0) + {{ prior }})) as double) as won_in_time_share,
        cast(least(1, (
            coalesce(cells.lost_share * cells.lost_count, 0)
            + {{ prior }} * (coalesce(stages.lost_share * stages.lost_count, 0) + {{ prior }} * everything.lost_share)
            / (coalesce(stages.lost_count, 0) + {{ prior }})
        ) / (coalesce(cells.lost_count, 0) + {{ prior }})) as double) as lost_in_time_share
    from observed
    inner join cells as everything
        on everything.depth = 2
    left join cells as stages
        on
            stages.depth = 1
            and observed.stage = stages.stage
    left join cells
        on
            cells.depth = 0
            and observed.stage = cells.stage
            and observed.deal_age_band = cells.deal_age_band
    where observed.purpose = 'score'
)

select * from final
