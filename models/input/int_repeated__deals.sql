with

int_known__deals as (
    select * from {{ ref('int_known__deals') }}
),

repeated_ids as (
    select deal_id
    from {{ ref('int_known__deals') }}
    where not is_not_yet_known
    group by deal_id
    having count(*) > 1
),

-- Equal rows are one row that came several times.
distinct_rows as (
    select
        int_known__deals.*,
        count(*) as row_count
    from int_known__deals
    inner join repeated_ids
        on int_known__deals.deal_id is not distinct from repeated_ids.deal_id
    where not int_known__deals.is_not_yet_known
    group by all
),

final as (
    select
        *,
        deal_id is not null and count(*) over (partition by deal_id) > 1 as is_conflicting
    from distinct_rows
)

select * from final
