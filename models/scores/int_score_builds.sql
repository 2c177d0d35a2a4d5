with

builds as (
    select distinct
        build_id,
        build_number,
        as_of_date,
        model_version
    from {{ ref('int_score_snapshots') }}
),

-- The build before: as of the newest older date, the last one that was kept then. So no later build changes a row that stands.
paired as (
    select
        builds.*,
        previous.build_id as previous_build_id,
        previous.as_of_date as previous_as_of_date,
        previous.model_version as previous_model_version,
        cast({{ dbt.datediff('previous.as_of_date', 'builds.as_of_date', 'day') }} as integer) as days_between,
        row_number() over (
            partition by builds.build_id order by previous.as_of_date desc nulls last, previous.build_number desc nulls last
        ) as nearness
    from builds
    left join builds as previous
        on
            builds.as_of_date > previous.as_of_date
            and builds.build_number > previous.build_number
),

final as (
    select
        build_id,
        build_number,
        as_of_date,
        previous_build_id,
        previous_as_of_date,
        previous_model_version,
        days_between
    from paired
    where nearness = 1
)

select * from final
