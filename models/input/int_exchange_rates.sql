with

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

distinct_rows as (
    select
        {{ to_text('currency') }} as currency,
        {{ to_text('valid_from') }} as valid_from,
        {{ to_text('rate') }} as rate,
        count(*) as row_count
    from {{ ref('stg_files__exchange_rates') }}
    group by 1, 2, 3
),

typed as (
    select
        *,
        upper(currency) as currency_code,
        cast({{ to_timestamp('valid_from', 'exchange_rates') }} as date) as valid_from_date,
        {{ to_number('rate', 'exchange_rates') }} as home_rate
    from distinct_rows
),

known as (
    select typed.*
    from typed
    inner join int_as_of
        on
            typed.valid_from_date is null
            or typed.valid_from_date <= int_as_of.as_of_date
),

judged as (
    select
        *,
        {{ raw_values(input_columns('exchange_rates')) }} as raw_values,
        {{ reason_codes([
            ("currency is null", "currency_missing"),
            ("valid_from is null", "valid_from_missing"),
            ("valid_from is not null and valid_from_date is null", "valid_from_unreadable"),
            ("rate is null", "rate_missing"),
            ("rate is not null and (home_rate is null or isnan(home_rate) or isinf(home_rate))", "rate_unreadable"),
            ("home_rate <= 0", "rate_not_positive"),
            ("currency_code = " ~ home_currency() ~ " and home_rate <> 1", "rate_of_home_currency_not_one"),
        ]) }} as own_reason_codes
    from known
),

compared as (
    select
        *,
        count(*) over (partition by currency_code, valid_from_date, own_reason_codes) > 1 as has_other_version
    from judged
),

coded as (
    select
        *,
        {{ reason_codes([("own_reason_codes is null and has_other_version", "rate_conflicting")], found_before="own_reason_codes") }} as reason_codes
    from compared
),

final as (
    select
        currency_code,
        valid_from_date,
        case
            when reason_codes is null
                then coalesce(
                    lead(valid_from_date) over (partition by currency_code, reason_codes order by valid_from_date), cast('9999-12-31' as date)
                )
        end as valid_until_date,
        home_rate,
        row_count,
        raw_values,
        reason_codes
    from coded
)

select * from final
