{{ config(materialized = "view") }}

with

repeated_ids as (
    select deal_id
    from {{ ref('int_known__deals') }}
    where not is_not_yet_known
    group by deal_id
    having count(*) > 1
),

-- Equal rows are one row that came several times.
repeated_rows as (
    select
        deals.*,
        count(*) as row_count
    from {{ ref('int_known__deals') }} as deals
    inner join repeated_ids
        on deals.deal_id is not distinct from repeated_ids.deal_id
    where not deals.is_not_yet_known
    group by all
),

distinct_rows as (
    select
        deals.*,
        1 as row_count,
        false as is_conflicting
    from {{ ref('int_known__deals') }} as deals
    where
        not deals.is_not_yet_known
        and not exists (
            select 1
            from repeated_ids
            where repeated_ids.deal_id is not distinct from deals.deal_id
        )

    union all

    select
        *,
        deal_id is not null and count(*) over (partition by deal_id) > 1 as is_conflicting
    from repeated_rows
),

final as (
    select
        *,
        {{ reason_codes([("is_conflicting", "deal_id_conflicting")], found_before=deal_reason_codes('distinct_rows')) }} as reason_codes
    from distinct_rows
)

select * from final
