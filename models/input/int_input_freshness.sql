with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

newest as (
    select
        'deals' as input,
        'days_since_newest_created_deal' as check_name,
        max(created_date) as newest_date
    from {{ ref('int_deals') }}

    union all

    select
        'deals' as input,
        'days_since_newest_closed_deal' as check_name,
        max(closed_date) as newest_date
    from {{ ref('int_deals') }}

    union all

    select
        'stage_history' as input,
        'days_since_newest_row' as check_name,
        cast(max(entered_at) as date) as newest_date
    from {{ ref('int_stage_history') }}
    where reason_codes is null

    union all

    select
        'field_history' as input,
        'days_since_newest_row' as check_name,
        cast(max(changed_at) as date) as newest_date
    from {{ ref('int_checked__field_history') }}
    where reason_codes is null

    union all

    select
        'activities' as input,
        'days_since_newest_row' as check_name,
        cast(max(occurred_at) as date) as newest_date
    from {{ ref('int_checked__activities') }}
    where reason_codes is null

    union all

    select
        'interventions' as input,
        'days_since_newest_row' as check_name,
        cast(max(taken_at) as date) as newest_date
    from {{ ref('int_checked__interventions') }}
    where reason_codes is null
),

final as (
    select
        newest.input,
        newest.check_name,
        cast({{ dbt.datediff('newest.newest_date', 'int_as_of.as_of_date', 'day') }} as double) as days_since_newest
    from newest
    cross join int_as_of
    where newest.newest_date is not null
)

select * from final
