{% set amount = to_amount('known.new_value', 'field_history') %}
{% set is_amount = "lower(known.field) = 'amount' and known.new_value is not null" %}
{{ checked_events('field_history', 'changed_at', [
    ("known.field is null", "field_missing"),
    (is_amount ~ " and " ~ amount ~ " is null", "new_value_unreadable"),
    (is_amount ~ " and " ~ amount ~ " < 0", "new_value_negative"),
    (is_amount ~ " and " ~ amount ~ " >= " ~ var('max_deal_amount'), "new_value_too_large"),
    (
        "lower(known.field) = 'expected_close_date' and known.new_value is not null and " ~ to_timestamp('known.new_value', 'field_history')
        ~ " is null",
        "new_value_unreadable",
    ),
]) }}
