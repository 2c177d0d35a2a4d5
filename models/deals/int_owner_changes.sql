-- Who owned a deal before a later change of its owner, as int_amount_changes says what its amount was. An emptied owner stays the owner.
with

int_checked__field_history as (
    select
        *,
        coalesce(new_value, old_value) as known_value,
        case when new_value is null then 0 else 1 end as is_filled
    from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) = 'sales_rep_id'
),

changes as (
    select
        deal_id,
        cast(changed_at as date) as changed_date,
        cast(lag(changed_at) over deal_owners as date) as previous_changed_date,
        coalesce(lag(known_value) over deal_owners, old_value) as sales_rep_id
    from int_checked__field_history
    where known_value is not null
    window deal_owners as (partition by deal_id order by changed_at, is_filled, known_value)
),

final as (
    select
        deal_id,
        sales_rep_id,
        coalesce(previous_changed_date, cast('0001-01-01' as date)) as known_from_date,
        changed_date
    from changes
    where
        sales_rep_id is not null
        and (
            previous_changed_date is null
            or previous_changed_date < changed_date
        )
)

select * from final
