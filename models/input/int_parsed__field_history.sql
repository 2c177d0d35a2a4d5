{{ config(materialized = "view") }}
with

recorded as (
    select
        'field_history' as input,
        field as raw_field,
        {{ to_text('deal_id') }} as stated_deal_id,
        {{ to_text('field') }} as stated_field,
        {{ to_text('old_value') }} as stated_old_value,
        {{ to_text('new_value') }} as stated_new_value,
        {{ to_text('changed_at') }} as stated_changed_at,
        cast(null as {{ dbt.type_string() }}) as stated_valid_to,
        {{ to_timestamp('changed_at', 'field_history') }} as changed_at,
        cast(null as timestamp) as valid_to
    from {{ ref('int_input__field_history') }}

    union all

    select
        'value_intervals' as input,
        field as raw_field,
        {{ to_text('deal_id') }} as stated_deal_id,
        {{ to_text('field') }} as stated_field,
        null as stated_old_value,
        {{ to_text('value') }} as stated_new_value,
        {{ to_text('valid_from') }} as stated_changed_at,
        {{ to_text('valid_to') }} as stated_valid_to,
        {{ to_timestamp('valid_from', 'value_intervals') }} as changed_at,
        {{ to_timestamp('valid_to', 'value_intervals') }} as valid_to
    from {{ ref('int_input__value_intervals') }}
),

-- Of tens of millions of rows only the few spellings are folded.
spellings as (
    select field as raw_field from {{ ref('int_input__field_history') }}
    union
    select field as raw_field from {{ ref('int_input__value_intervals') }}
),

field_names as (
    select
        spellings.raw_field,
        coalesce(int_value_maps.mapped_value, {{ to_text('spellings.raw_field') }}) as field
    from spellings
    left join {{ ref('int_value_maps') }} as int_value_maps
        on
            int_value_maps.column_name = 'field'
            and {{ folded(to_text('spellings.raw_field')) }} = int_value_maps.spelling
),

named as (
    select
        recorded.*,
        field_names.field,
        case when field_names.field = 'sales_rep_id' then {{ folded('recorded.stated_old_value') }} end as old_owner,
        case when field_names.field = 'sales_rep_id' then {{ folded('recorded.stated_new_value') }} end as new_owner
    from recorded
    left join field_names
        on recorded.raw_field = field_names.raw_field
),

owned as (
    select
        named.*,
        case when not {{ is_blank_word('named.old_owner') }} then coalesce(old_owners.sales_rep_id, named.stated_old_value) end as old_value,
        case when not {{ is_blank_word('named.new_owner') }} then coalesce(new_owners.sales_rep_id, named.stated_new_value) end as new_value
    from named
    left join {{ ref('int_rep_names') }} as old_owners
        on named.old_owner = old_owners.spelling
    left join {{ ref('int_rep_names') }} as new_owners
        on named.new_owner = new_owners.spelling
),

valued as (
    select
        *,
        case when field = 'amount' then {{ to_amount('new_value', values_input()) }} end as new_amount,
        case when field = 'expected_close_date' then {{ to_timestamp('new_value', values_input()) }} end as new_close_at
    from owned
),

read as (
    select
        *,
        {{ is_unreadable('stated_changed_at', 'changed_at') }} as is_moment_unreadable,
        coalesce(stated_valid_to not like '%9999%', false) and {{ is_unreadable('stated_valid_to', 'valid_to') }} as is_end_unreadable,
        {{ is_unreadable(
            "case when field in ('amount', 'expected_close_date') then new_value end", 'coalesce(cast(new_amount as double), epoch(new_close_at))'
        ) }} as is_value_unreadable
    from valued
),

final as (
    select
        input,
        stated_deal_id as deal_id,
        field,
        old_value,
        new_value,
        changed_at,
        case when valid_to < cast('9999-01-01' as timestamp) then valid_to end as valid_to,
        stated_deal_id,
        stated_field,
        stated_old_value,
        stated_new_value,
        stated_changed_at,
        stated_valid_to,
        {{ reason_codes([
            ("stated_deal_id is null", "deal_id_missing"),
            ("changed_at is null and not is_moment_unreadable and input = 'field_history'", "changed_at_missing"),
            ("is_moment_unreadable and input = 'field_history'", "changed_at_unreadable"),
            ("changed_at < cast('1990-01-01' as timestamp) and input = 'field_history'", "changed_at_implausible"),
            ("changed_at is null and not is_moment_unreadable and input = 'value_intervals'", "valid_from_missing"),
            ("is_moment_unreadable and input = 'value_intervals'", "valid_from_unreadable"),
            ("changed_at < cast('1990-01-01' as timestamp) and input = 'value_intervals'", "valid_from_implausible"),
            ("is_end_unreadable", "valid_to_unreadable"),
            ("valid_to < changed_at", "valid_to_before_valid_from"),
            ("field is null", "field_missing"),
            ("is_value_unreadable", "new_value_unreadable"),
            ("new_amount < 0", "new_value_negative"),
            ("new_amount >= " ~ var('max_deal_amount'), "new_value_too_large"),
        ]) }} as reason_codes
    from read
)

select * from final
