-- What can this input say?
-- What is missing for the rest?
-- What is odd in the export?
-- Begin here on a new file. First what this input can't answer and what is missing for it, then what is odd in the data, then what it can answer. Available means
-- that the data are there, not that there is enough of them: each mart's verdict says that.
with

rpt_data_capabilities as (
    select * from {{ ref('rpt_data_capabilities') }}
),

rpt_data_quality as (
    select * from {{ ref('rpt_data_quality') }}
),

final as (
    select
        case when is_available then 'answer' else 'no answer' end as kind,
        mart as subject,
        data_level,
        cast(null as double) as check_value,
        cast(null as double) as share_rate,
        answers,
        reason as explanation
    from rpt_data_capabilities

    union all

    select
        'finding' as kind,
        concat(input, ': ', check_name) as subject,
        cast(null as {{ dbt.type_string() }}) as data_level,
        check_value,
        share_rate,
        cast(null as {{ dbt.type_string() }}) as answers,
        message as explanation
    from rpt_data_quality
    where is_finding
)

select * from final
order by
    case kind when 'no answer' then 1 when 'finding' then 2 else 3 end asc,
    share_rate desc,
    subject asc,
    answers asc
