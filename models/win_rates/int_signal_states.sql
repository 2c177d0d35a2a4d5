with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

kept as (
    select int_kept_signals.*
    from {{ ref('int_kept_signals') }} as int_kept_signals
    inner join int_as_of
        on int_kept_signals.as_of_date <= int_as_of.as_of_date
    where int_kept_signals.input_name = {{ input_name_text() }}
),

builds as (
    select
        as_of_date,
        row_number() over (order by as_of_date) as build_number
    from kept
    group by as_of_date
),

-- Builds in a row that said the same of a claim share the difference of both numbers.
stretches as (
    select
        kept.claim_type,
        kept.claim,
        kept.direction,
        kept.as_of_date,
        builds.build_number - row_number() over (
            partition by kept.claim_type, kept.claim, kept.direction
            order by kept.as_of_date
        ) as stretch
    from kept
    inner join builds
        on kept.as_of_date = builds.as_of_date
    where kept.claim is not null
),

dated as (
    select
        claim_type,
        claim,
        direction,
        min(as_of_date) as signal_since_date,
        max(as_of_date) as newest_date
    from stretches
    group by claim_type, claim, direction, stretch
),

final as (
    select
        dated.claim_type,
        dated.claim,
        dated.signal_since_date,
        case
            when {{ dbt.datediff('dated.signal_since_date', 'int_as_of.as_of_date', 'day') }} >= {{ var('confirm_days') }} then 'confirmed' else 'new'
        end as signal_state
    from dated
    inner join int_as_of
        on dated.newest_date = int_as_of.as_of_date
)

select * from final
