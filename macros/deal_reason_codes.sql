{# Why a row of the deals file can't be accepted, from its own columns; null when it can. #}
{% macro deal_reason_codes() -%}
    {{ reason_codes([
        ("deal_id is null", "deal_id_missing"),
        ("created_date is null and not is_created_date_unreadable", "created_date_missing"),
        ("is_created_date_unreadable", "created_date_unreadable"),
        ("is_closed_date_unreadable", "closed_date_unreadable"),
        ("closed_date < created_date", "closed_before_created"),
        ("deal_amount is null and not is_deal_amount_unreadable", "deal_amount_missing"),
        ("is_deal_amount_unreadable", "deal_amount_unreadable"),
        ("deal_amount <= 0", "deal_amount_not_positive"),
        ("deal_amount >= " ~ var("max_deal_amount"), "deal_amount_too_large"),
        ("lower(outcome) not in ('won', 'lost', 'open')", "outcome_unknown"),
        (
            "closed_date is null and not is_closed_date_unreadable and lower(outcome) in ('won', 'lost')",
            "closed_date_missing",
        ),
        (
            "(closed_date is not null or is_closed_date_unreadable) and lower(coalesce(outcome, 'open')) = 'open'",
            "outcome_missing",
        ),
    ]) }}
{%- endmacro %}
