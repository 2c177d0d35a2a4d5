with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and input = 'value_intervals'
),

-- An end after the as-of day is not yet known.
intervals as (
    select
        changes.new_value,
        case when cast(changes.valid_to as date) <= int_as_of.as_of_date then changes.valid_to end as valid_to,
        lead(changes.changed_at) over deal_field as next_valid_from,
        lead(changes.new_value) over deal_field as next_value
    from int_checked__field_history as changes
    cross join int_as_of
    window deal_field as (partition by changes.deal_id, changes.field order by changes.changed_at, changes.valid_to nulls last, changes.new_value)
),

final as (
    select
        'intervals_overlap' as check_name,
        count(*) as row_count,
        'values still valid when another one of the deal and field began: the later one counts from its beginning on' as message
    from intervals
    where
        next_valid_from is not null
        and next_value is distinct from new_value
        and coalesce(valid_to > next_valid_from, true)

    union all

    select
        'intervals_with_a_gap' as check_name,
        count(*) as row_count,
        'values that ended before the next one of the deal and field began: each counts until then' as message
    from intervals
    where valid_to < next_valid_from
)

select * from final
