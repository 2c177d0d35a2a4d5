with

int_dated_deals as (
    select * from {{ ref('int_dated_deals') }}
),

-- Where won and lost deals lack their close date unequally often, those that have one train nothing.
int_cohort_maturity as (
    select * from {{ ref('int_cohort_maturity') }}
    where
        is_mature
        and not exists (
            select 1 from {{ ref('int_missing_by_outcome') }} as missing
            where
                missing.problem = 'no_close_date'
                and missing.is_bending
        )
),

hashed as (
    select
        int_dated_deals.*,
        not int_dated_deals.is_open and int_cohort_maturity.cohort_month is not null as is_training,
        case when int_dated_deals.is_open then int_dated_deals.as_of_date else {{ train_date('int_dated_deals.as_of_date') }} end as observed_until_date,
        {{ hash_number('int_dated_deals.deal_id') }} as sample_number,
        cast({{ hash_number('int_dated_deals.deal_id', 9) }} % {{ var('score_penalty_groups') }} as integer) as penalty_group
    from int_dated_deals
    left join int_cohort_maturity
        on
            int_dated_deals.cohort_month = int_cohort_maturity.cohort_month
            and {{ train_date('int_dated_deals.as_of_date') }} = int_cohort_maturity.forecast_date
            and int_dated_deals.closed_date <= int_cohort_maturity.forecast_date
),

-- Read apart from the deals above: what is named twice, all deals with all columns, DuckDB would hold in memory.
counted as (
    select count(*) as training_deal_count
    from {{ ref('int_dated_deals') }} as int_dated_deals
    inner join int_cohort_maturity
        on
            int_dated_deals.cohort_month = int_cohort_maturity.cohort_month
            and {{ train_date('int_dated_deals.as_of_date') }} = int_cohort_maturity.forecast_date
            and int_dated_deals.closed_date <= int_cohort_maturity.forecast_date
),

-- A deal is drawn by its own hash: the next build draws the same ones. Every open deal is scored, drawn or not.
drawn as (
    select
        hashed.*,
        hashed.sample_number * 1.0 * counted.training_deal_count < 4294967296.0 * {{ var('training_max_deals') }} as is_sampled,
        {{ dbt.datediff('hashed.created_date', 'hashed.observed_until_date', 'day') }} as days_since_created,
        {{ dbt.datediff('hashed.closed_date', 'hashed.observed_until_date', 'day') }} + 1 as days_since_last_open
    from hashed
    cross join counted
),

-- Observations lie whole intervals before the as-of date, or that of the training: from `newest_step` of them back to `oldest_step`.
final as (
    select
        deal_id,
        is_open,
        is_training,
        is_sampled,
        is_won,
        created_at,
        created_date,
        closed_date,
        as_of_date,
        observed_until_date,
        sales_rep_id,
        industry,
        region,
        product_type,
        lead_source,
        {% for each in own_dimensions(['creation', 'changes']) -%}
        {{ each.dimension }},
        {% endfor -%}
        deal_amount,
        penalty_group,
        case
            when is_open then 0
            else cast(floor((days_since_last_open + {{ var('observation_interval_days') }} - 1.0) / {{ var('observation_interval_days') }}) as integer)
        end as newest_step,
        case
            when is_open then 0
            else cast(floor(days_since_created * 1.0 / {{ var('observation_interval_days') }}) as integer)
        end as oldest_step
    from drawn
    where
        is_open
        or is_sampled
)

select * from final
