{% set dimensions = dimensions_of('rapv_offset_dimensions') %}

with

int_deal_states as (
    select * from {{ ref('int_deal_states') }}
),

-- Cohorts, each on the date from which it trains.
int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
    where forecast_date = mature_from_date
),

-- How long a left-truncated visit had lasted is not known.
visits as (
    select
        int_deal_states.*,
        greatest(int_cohort_maturity.mature_from_date, int_deal_states.closed_month) as trained_from_date,
        {{ dbt.datediff('int_deal_states.from_date', 'int_deal_states.until_date', 'day') }} as open_days
    from int_deal_states
    inner join int_cohort_maturity
        on int_deal_states.cohort_month = int_cohort_maturity.cohort_month
    where
        not int_deal_states.is_open
        and int_deal_states.stage is not null
        and not int_deal_states.is_left_truncated
        and not int_deal_states.is_gap
        and int_deal_states.from_date < int_deal_states.until_date
),

final as (
    select
        {{ segment_dimension(dimensions) }} as segment_dimension,
        {{ segment_value(dimensions) }} as segment_value,
        trained_from_date,
        is_won,
        stage,
        cast(open_days as bigint) as open_days,
        count(*) as visit_count,
        cast(sum(cycle_days) as bigint) as total_cycle_days
    from visits
    group by {{ segment_sets(['trained_from_date', 'is_won', 'stage', 'open_days'], dimensions) }}  -- noqa: PRS
)

select * from final
