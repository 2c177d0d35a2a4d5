{{ config(materialized = "view") }}

with

int_known__deals as (
    select * from {{ ref('int_known__deals') }}
),

int_repeated__deals as (
    select * from {{ ref('int_repeated__deals') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

distinct_rows as (
    select
        int_known__deals.*,
        1 as row_count,
        false as is_conflicting
    from int_known__deals
    where
        not int_known__deals.is_not_yet_known
        and not exists (
            select 1
            from int_repeated__deals
            where int_repeated__deals.deal_id is not distinct from int_known__deals.deal_id
        )

    union all

    select * from int_repeated__deals
),

final as (
    select
        distinct_rows.*,
        {{ reason_codes([
            ("distinct_rows.is_conflicting", "deal_id_conflicting"),
            ("distinct_rows.deal_stage is not null and int_stages.stage is null", "deal_stage_unknown"),
            ("distinct_rows.created_date > distinct_rows.as_of_date", "created_date_implausible"),
            ("distinct_rows.closed_date > distinct_rows.as_of_date", "closed_date_implausible"),
        ], found_before=deal_reason_codes('distinct_rows')) }} as reason_codes
    from distinct_rows
    left join int_stages
        on distinct_rows.deal_stage = int_stages.stage
)

select * from final
