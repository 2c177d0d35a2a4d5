{{ config(materialized = "view") }}
{% set amount = to_amount('owned.new_value', values_input()) %}
{% set is_amount = "owned.field = 'amount' and owned.new_value is not null" %}
{% set is_unreadable_moment = is_unreadable('owned.stated_changed_at', 'owned.changed_at') %}
{% set is_interval = "owned.input = 'value_intervals'" %}
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
    select distinct field as raw_field
    from {{ ref('int_input__field_history') }}

    union

    select distinct field as raw_field
    from {{ ref('int_input__value_intervals') }}
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

final as (
    select
        owned.input,
        owned.stated_deal_id as deal_id,
        owned.field,
        owned.old_value,
        owned.new_value,
        owned.changed_at,
        owned.valid_to,
        owned.stated_deal_id,
        owned.stated_field,
        owned.stated_old_value,
        owned.stated_new_value,
        owned.stated_changed_at,
        owned.stated_valid_to,
        {{ reason_codes([
            ("owned.stated_deal_id is null", "deal_id_missing"),
            ("owned.changed_at is null and not " ~ is_unreadable_moment ~ " and not " ~ is_interval, "changed_at_missing"),
            (is_unreadable_moment ~ " and not " ~ is_interval, "changed_at_unreadable"),
            ("owned.changed_at < cast('1990-01-01' as timestamp) and not " ~ is_interval, "changed_at_implausible"),
            ("owned.changed_at is null and not " ~ is_unreadable_moment ~ " and " ~ is_interval, "valid_from_missing"),
            (is_unreadable_moment ~ " and " ~ is_interval, "valid_from_unreadable"),
            ("owned.changed_at < cast('1990-01-01' as timestamp) and " ~ is_interval, "valid_from_implausible"),
            (
                is_unreadable('owned.stated_valid_to', 'owned.valid_to') ~ " and owned.stated_valid_to not like '%9999%'",
                "valid_to_unreadable",
            ),
            ("owned.valid_to < owned.changed_at", "valid_to_before_valid_from"),
            ("owned.field is null", "field_missing"),
            (is_amount ~ " and " ~ is_unreadable('owned.new_value', amount), "new_value_unreadable"),
            (is_amount ~ " and " ~ amount ~ " < 0", "new_value_negative"),
            (is_amount ~ " and " ~ amount ~ " >= " ~ var('max_deal_amount'), "new_value_too_large"),
            (
                "owned.field = 'expected_close_date' and "
                ~ is_unreadable('owned.new_value', to_timestamp('owned.new_value', values_input())),
                "new_value_unreadable",
            ),
        ]) }} as reason_codes
    from owned
)

select * from final
