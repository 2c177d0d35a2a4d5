with

distinct_rows as (
    select
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ to_text('name') }} as name,
        {{ to_text('team') }} as team,
        {{ to_text('manager') }} as manager,
        count(*) as row_count
    from {{ ref('int_input__reps') }}
    group by 1, 2, 3, 4
),

counted as (
    select
        *,
        count(*) over (partition by sales_rep_id) as version_count
    from distinct_rows
),

final as (
    select
        sales_rep_id,
        name,
        team,
        manager,
        row_count,
        {{ raw_values(input_columns('reps')) }} as raw_values,
        {{ reason_codes([
            ("sales_rep_id is null", "sales_rep_id_missing"),
            ("sales_rep_id is not null and version_count > 1", "sales_rep_id_conflicting"),
        ]) }} as reason_codes
    from counted
)

select * from final
