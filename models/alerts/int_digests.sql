with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

-- A rep without an open alert gets no digest; a manager's says that there is none.
daily_readers as (
    select distinct
        'manager' as audience,
        manager as recipient
    from dim_reps
    where deal_count > 0

    union all

    select distinct
        'rep' as audience,
        sales_rep_id as recipient
    from {{ ref('fct_alerts') }}
    where state <> 'resolved' and {{ has_word('audience', 'rep') }} and sales_rep_id is not null
),

-- Once a week or month is over it is the same digest until the next one is.
periods as (
    select
        'daily' as cadence,
        daily_readers.audience,
        daily_readers.recipient,
        int_as_of.as_of_date as period_start_date,
        int_as_of.as_of_date as period_end_date
    from int_as_of
    cross join daily_readers

    union all

    select
        'weekly' as cadence,
        'cro' as audience,
        'cro' as recipient,
        cast(date_trunc('week', as_of_date + 1) - interval 1 week as date) as period_start_date,
        cast(date_trunc('week', as_of_date + 1) - interval 1 day as date) as period_end_date
    from int_as_of

    union all

    select
        'monthly' as cadence,
        'executive' as audience,
        'executive' as recipient,
        cast(date_trunc('month', as_of_date + 1) - interval 1 month as date) as period_start_date,
        cast(date_trunc('month', as_of_date + 1) - interval 1 day as date) as period_end_date
    from int_as_of
),

-- The same digest of the same period has the same key, whatever it says by then.
final as (
    select
        substr(md5(
            {{ input_name_text() }} || '|' || periods.cadence || '|' || periods.audience || '|' || periods.recipient || '|'
            || cast(periods.period_end_date as {{ dbt.type_string() }})
        ), 1, 16) as digest_key,
        periods.cadence,
        periods.audience,
        periods.recipient,
        coalesce(dim_reps.rep_name, periods.recipient) as recipient_name,
        periods.period_start_date,
        periods.period_end_date,
        case periods.audience
            when 'rep' then 'Daily alerts for ' || {{ one_line('coalesce(dim_reps.rep_name, periods.recipient)') }}
            when 'manager'
                then
                    'Daily alerts for '
                    || case periods.recipient when 'Unknown' then 'reps without a manager' else {{ one_line('periods.recipient') }} end
            when 'cro' then 'Weekly digest for the CRO'
            else 'Monthly digest for executives'
        end
        || ', '
        || case
            when periods.period_start_date = periods.period_end_date then ''
            else cast(periods.period_start_date as {{ dbt.type_string() }}) || ' to '
        end
        || cast(periods.period_end_date as {{ dbt.type_string() }}) as title
    from periods
    left join dim_reps
        on
            periods.audience = 'rep'
            and periods.recipient = dim_reps.sales_rep_id
)

select * from final
