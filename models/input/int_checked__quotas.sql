{{ checked_keys('quotas', ['sales_rep_id', 'period_start'], [
    ("sales_rep_id is null", "sales_rep_id_missing"),
    ("period_start is null", "period_start_missing"),
    ("period_start is not null and " ~ to_timestamp('period_start', 'quotas') ~ " is null", "period_start_unreadable"),
    ("amount is null", "amount_missing"),
    ("amount is not null and " ~ to_amount('amount', 'quotas') ~ " is null", "amount_unreadable"),
    (to_amount('amount', 'quotas') ~ " < 0", "amount_negative"),
]) }}
