with

int_checked__reps as (
    select * from {{ ref('int_checked__reps') }}
    where reason_codes is null
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

deal_reps as (
    select
        sales_rep_id,
        count(*) as deal_count
    from int_deals
    group by sales_rep_id
),

final as (
    select
        coalesce(deal_reps.sales_rep_id, int_checked__reps.sales_rep_id) as sales_rep_id,
        coalesce(int_checked__reps.name, deal_reps.sales_rep_id, int_checked__reps.sales_rep_id) as rep_name,
        coalesce(int_checked__reps.team, 'Unknown') as team,
        coalesce(int_checked__reps.manager, 'Unknown') as manager,
        int_checked__reps.sales_rep_id is not null as is_in_reps_file,
        cast(coalesce(deal_reps.deal_count, 0) as bigint) as deal_count
    from deal_reps
    full outer join int_checked__reps
        on deal_reps.sales_rep_id = int_checked__reps.sales_rep_id
)

select * from final
