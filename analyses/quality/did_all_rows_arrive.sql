-- Did all rows arrive somewhere?
-- Which rows were rejected, and why?
-- What must be mended in the CRM?
-- One row per input and what became of its rows; row_count adds up to rows_in for each input, or something was lost. Each reason for which rows were quarantined
-- stands by itself, with an example: its value is what must be mended. All rows of it are in fct_quarantined_rows, deal by deal.
with

rpt_data_quality as (
    select * from {{ ref('rpt_data_quality') }}
),

fct_quarantined_rows as (
    select * from {{ ref('fct_quarantined_rows') }}
),

fates as (
    select
        input,
        check_name as fate,
        cast(null as {{ dbt.type_string() }}) as reason,
        cast(check_value as bigint) as row_count,
        cast(null as {{ dbt.type_string() }}) as example_deal_id,
        cast(null as {{ dbt.type_string() }}) as example_row
    from rpt_data_quality
    where check_name in ('rows_accepted', 'rows_duplicate', 'rows_not_yet_known')

    union all

    select
        input,
        'rows_quarantined' as fate,
        reason,
        cast(sum(row_count) as bigint) as row_count,
        min(deal_id) as example_deal_id,
        min(raw_values) as example_row
    from fct_quarantined_rows
    group by input, reason
),

final as (
    select
        fates.input,
        fates.fate,
        fates.reason,
        fates.row_count,
        cast(rows_in.check_value as bigint) as rows_in,
        fates.row_count / nullif(rows_in.check_value, 0) as share_rate,
        fates.example_deal_id,
        fates.example_row
    from fates
    inner join rpt_data_quality as rows_in
        on
            fates.input = rows_in.input
            and rows_in.check_name = 'rows_in'
)

select * from final
order by input asc, fate asc, row_count desc, reason asc
