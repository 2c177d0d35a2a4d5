{{ checked_events('field_history', 'changed_at', [
    ("known.field is null", "field_missing"),
    (
        "lower(known.field) = 'amount' and known.new_value is not null and " ~ to_amount('known.new_value') ~ " is null",
        "new_value_unreadable",
    ),
    (
        "lower(known.field) = 'expected_close_date' and known.new_value is not null and " ~ to_timestamp('known.new_value')
        ~ " is null",
        "new_value_unreadable",
    ),
]) }}
