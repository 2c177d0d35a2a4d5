-- What does this input leave unsaid, and what in it is odd? First the marts without rows and why, then the findings about the data.
-- Begin here on a new file: what stands here can't be answered by another query either.
with

rpt_data_capabilities as (
    select * from {{ ref('rpt_data_capabilities') }}
),

rpt_data_quality as (
    select * from {{ ref('rpt_data_quality') }}
),

final as (
    select
        'no answer' as kind,
        mart as subject,
        cast(null as double) as check_value,
        cast(null as double) as share_rate,
        reason as explanation
    from rpt_data_capabilities
    where not is_available

    union all

    select
        'finding' as kind,
        concat(input, ': ', check_name) as subject,
        check_value,
        share_rate,
        message as explanation
    from rpt_data_quality
    where is_finding
)

select * from final
order by kind desc, share_rate desc, subject asc
