with

int_closed_deal_counts as (
    select * from {{ ref('int_closed_deal_counts') }}
),

int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

mature_cohorts as (
    select int_cohort_maturity.cohort_month
    from int_cohort_maturity
    inner join int_as_of
        on int_cohort_maturity.forecast_date = int_as_of.as_of_date
    where int_cohort_maturity.is_mature
),

-- One date for creation and close says nothing of how long deals take.
cycles as (
    select max(cycle_days) > 0 as are_known from {{ ref('int_closed_deal_counts') }}
    where segment_dimension = 'all'
),

final as (
    select
        int_closed_deal_counts.segment_dimension,
        int_closed_deal_counts.segment_value,
        int_closed_deal_counts.is_won,
        int_closed_deal_counts.cycle_days,
        {% if var('maturity_filter') -%}
        mature_cohorts.cohort_month is not null and int_closed_deal_counts.cycle_days is not null and cycles.are_known as is_included,
        {%- else -%}
        int_closed_deal_counts.cycle_days is not null and cycles.are_known as is_included,
        {%- endif %}
        cast(sum(int_closed_deal_counts.deal_count) as bigint) as deal_count
    from int_closed_deal_counts
    cross join cycles
    left join mature_cohorts
        on int_closed_deal_counts.cohort_month = mature_cohorts.cohort_month
    group by 1, 2, 3, 4, 5
)

select * from final
