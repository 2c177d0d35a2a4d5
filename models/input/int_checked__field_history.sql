with

int_parsed__field_history as (
    select * from {{ ref('int_parsed__field_history') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

checked as (
    select
        parsed.input,
        parsed.deal_id,
        parsed.field,
        parsed.old_value,
        parsed.new_value,
        parsed.changed_at,
        parsed.valid_to,
        parsed.stated_deal_id,
        parsed.stated_field,
        parsed.stated_old_value,
        parsed.stated_new_value,
        parsed.stated_changed_at,
        parsed.stated_new_value as stated_value,
        parsed.stated_changed_at as stated_valid_from,
        parsed.stated_valid_to,
        {{ reason_codes(
            [("parsed.deal_id is not null and int_deals.deal_id is null", "deal_not_accepted")], found_before='parsed.reason_codes'
        ) }} as reason_codes
    from int_parsed__field_history as parsed
    cross join int_as_of
    left join int_deals
        on parsed.deal_id = int_deals.deal_id
    where
        parsed.changed_at is null
        or cast(parsed.changed_at as date) <= int_as_of.as_of_date
),

compared as (
    select
        input,
        deal_id,
        field,
        old_value,
        new_value,
        changed_at,
        valid_to,
        reason_codes,
        case
            when reason_codes is not null and input = 'field_history' then {{ raw_values(input_columns('field_history'), 'stated_') }}
            when reason_codes is not null then {{ raw_values(input_columns('value_intervals'), 'stated_') }}
        end as raw_values
    from checked
),

final as (
    select
        input,
        deal_id,
        field,
        old_value,
        new_value,
        changed_at,
        valid_to,
        reason_codes,
        raw_values,
        count(*) as row_count
    from compared
    group by
        input,
        deal_id,
        field,
        old_value,
        new_value,
        changed_at,
        valid_to,
        reason_codes,
        raw_values
)

select * from final
