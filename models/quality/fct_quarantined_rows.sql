with

int_rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

final as (
    select
        {{ dbt.hash("concat_ws('|', input, reason, raw_values)") }} as quarantined_row_id,
        input,
        deal_id,
        reason_codes,
        reason,
        raw_values,
        row_count
    from int_rejected_rows
)

select * from final
