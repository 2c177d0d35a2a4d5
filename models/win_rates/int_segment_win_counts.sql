with

int_segment_day_counts as (
    select * from {{ ref('int_segment_day_counts') }}
),

int_closed_pair_counts as (
    select * from {{ ref('int_closed_pair_counts') }}
),

int_periods as (
    select * from {{ ref('int_periods') }}
),

single_segments as (
    select distinct
        segment_dimension,
        segment_value
    from int_segment_day_counts
    where not is_known_only_after_close

    union

    select
        'all' as segment_dimension,
        'all' as segment_value
),

counts as (
    select
        segment_dimension,
        segment_value,
        null as first_segment_value,
        null as second_segment_value,
        period,
        is_known_only_after_close,
        is_won,
        deal_count,
        valued_deal_count,
        case when cycle_days is null then 0 else deal_count end as dated_deal_count,
        deal_count * cycle_days as cycle_days,
        deal_amount,
        squared_amount
    from int_segment_day_counts

    union all

    select
        segment_dimension,
        {{ pair_value('first_segment_value', 'second_segment_value') }} as segment_value,
        first_segment_value,
        second_segment_value,
        'all' as period,
        false as is_known_only_after_close,
        is_won,
        deal_count,
        valued_deal_count,
        dated_deal_count,
        cycle_days,
        deal_amount,
        squared_amount
    from int_closed_pair_counts

    union all

    -- A segment that closed nothing in a period still has a row: nothing closed is not the same as nothing known.
    select
        single_segments.segment_dimension,
        single_segments.segment_value,
        null as first_segment_value,
        null as second_segment_value,
        int_periods.period,
        false as is_known_only_after_close,
        false as is_won,
        0 as deal_count,
        0 as valued_deal_count,
        0 as dated_deal_count,
        0 as cycle_days,
        0 as deal_amount,
        0 as squared_amount
    from single_segments
    cross join int_periods
),

final as (
    select
        segment_dimension,
        segment_value,
        cast(first_segment_value as {{ dbt.type_string() }}) as first_segment_value,
        cast(second_segment_value as {{ dbt.type_string() }}) as second_segment_value,
        period,
        is_known_only_after_close,
        case
            when segment_dimension = 'all' then cast(null as {{ dbt.type_string() }})
            when first_segment_value is not null then 'pair'
            when period <> 'all' then 'period'
            when segment_dimension in ('{{ var('primary_dimensions') | join("', '") }}') then 'primary'
            else 'single'
        end as verdict_tier,
        cast(sum(deal_count) as bigint) as closed_deal_count,
        cast(sum(case when is_won then deal_count else 0 end) as bigint) as won_deal_count,
        cast(sum(valued_deal_count) as bigint) as valued_deal_count,
        cast(sum(case when is_won then valued_deal_count else 0 end) as bigint) as valued_won_deal_count,
        cast(sum(dated_deal_count) as bigint) as dated_deal_count,
        cast(coalesce(sum(cycle_days), 0) as bigint) as cycle_days,
        cast(sum(deal_amount) as decimal(38, 2)) as closed_amount,
        cast(sum(case when is_won then deal_amount else 0 end) as decimal(38, 2)) as won_amount,
        cast(sum(squared_amount) as double) as squared_amount,
        cast(sum(case when is_won then squared_amount else 0 end) as double) as won_squared_amount
    from counts
    group by
        segment_dimension,
        segment_value,
        first_segment_value,
        second_segment_value,
        period,
        is_known_only_after_close
)

select * from final
