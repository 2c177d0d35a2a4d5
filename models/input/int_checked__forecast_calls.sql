with

int_stated_periods as (
    select * from {{ ref('int_stated_periods') }}
    where input = 'forecast_calls'
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

distinct_rows as (
    select
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ to_text('period_start') }} as period_start,
        {{ to_text('called_at') }} as called_at,
        {{ to_text('category') }} as category,
        {{ to_text('amount') }} as amount,
        count(*) as row_count
    from {{ ref('int_input__forecast_calls') }}
    group by 1, 2, 3, 4, 5
),

typed as (
    select
        *,
        cast({{ to_timestamp('period_start', 'forecast_calls') }} as date) as period_start_date,
        {{ to_timestamp('called_at', 'forecast_calls') }} as call_at,
        {{ to_amount('amount', 'forecast_calls') }} as call_amount,
        {{ mapped('category', 'forecast_category') }} as call_category
    from distinct_rows
),

known as (
    select
        typed.*,
        int_stated_periods.period_end_date
    from typed
    inner join int_as_of
        on
            typed.call_at is null
            or cast(typed.call_at as date) <= int_as_of.as_of_date
    left join int_stated_periods
        on
            typed.sales_rep_id = int_stated_periods.sales_rep_id
            and typed.period_start_date = int_stated_periods.period_start_date
),

judged as (
    select
        *,
        {{ raw_values(input_columns('forecast_calls')) }} as raw_values,
        {{ reason_codes([
            ("sales_rep_id is null", "sales_rep_id_missing"),
            ("period_start is null", "period_start_missing"),
            ("period_start is not null and period_start_date is null", "period_start_unreadable"),
            ("sales_rep_id is not null and call_at is not null and period_start_date is not null and period_end_date is null", "period_end_missing"),
            ("called_at is null", "called_at_missing"),
            ("called_at is not null and call_at is null", "called_at_unreadable"),
            ("call_category is null", "category_missing"),
            ("amount is null", "amount_missing"),
            ("amount is not null and call_amount is null", "amount_unreadable"),
            ("call_amount < 0", "amount_negative"),
        ]) }} as own_reason_codes
    from known
),

-- Of two amounts called at the same time nobody can say which one stands.
versions as (
    select
        *,
        min(call_amount) over same_calls <> max(call_amount) over same_calls as is_conflicting,
        row_number() over (
            partition by sales_rep_id, period_start_date, lower(call_category), call_at, own_reason_codes order by call_amount, call_category, category, period_start, called_at, amount
        ) as version_number
    from judged
    window same_calls as (partition by sales_rep_id, period_start_date, lower(call_category), call_at, own_reason_codes)
),

final as (
    select
        sales_rep_id,
        period_start_date,
        period_end_date,
        call_category as category,
        call_at as called_at,
        call_amount,
        row_count,
        own_reason_codes is null and version_number > 1 as is_duplicate,
        raw_values,
        {{ reason_codes([("own_reason_codes is null and is_conflicting", "call_conflicting")], found_before="own_reason_codes") }} as reason_codes
    from versions
)

select * from final
