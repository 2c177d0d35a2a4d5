with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_kept_builds as (
    select * from {{ ref('int_kept_builds') }}
    where input_name = {{ input_name_text() }}
),

-- Whoever looks for the first time has no confirmation yet to wait for, and so a stricter level.
final as (
    select
        int_as_of.as_of_date,
        min(int_kept_builds.as_of_date) as first_build_date,
        cast(
            {{ var('fdr_level') }} / case
                when min(int_kept_builds.as_of_date) <= {{ dbt.dateadd('day', -var('confirm_days'), 'int_as_of.as_of_date') }} then 1 else 2
            end as double
        ) as fdr_level
    from int_as_of
    left join int_kept_builds
        on int_as_of.as_of_date >= int_kept_builds.as_of_date
    group by int_as_of.as_of_date
)

select * from final
