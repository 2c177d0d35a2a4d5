{# Why a row of the deals file can't be accepted, from its own columns; null when it can. `deals` is the relation that holds the row. #}
{% macro deal_reason_codes(deals) -%}
    {{ reason_codes([
        (deals ~ ".deal_id is null", "deal_id_missing"),
        (deals ~ ".created_date is null and not " ~ deals ~ ".is_created_date_unreadable", "created_date_missing"),
        (deals ~ ".is_created_date_unreadable", "created_date_unreadable"),
        (deals ~ ".is_closed_date_unreadable", "closed_date_unreadable"),
        (deals ~ ".closed_date < " ~ deals ~ ".created_date", "closed_before_created"),
        (deals ~ ".deal_amount is null and not " ~ deals ~ ".is_deal_amount_unreadable", "deal_amount_missing"),
        (deals ~ ".is_deal_amount_unreadable", "deal_amount_unreadable"),
        (deals ~ ".deal_amount <= 0", "deal_amount_not_positive"),
        (deals ~ ".deal_amount >= " ~ var("max_deal_amount"), "deal_amount_too_large"),
        ("lower(" ~ deals ~ ".outcome) not in ('won', 'lost', 'open')", "outcome_unknown"),
        (
            deals ~ ".closed_date is null and not " ~ deals ~ ".is_closed_date_unreadable and lower(" ~ deals ~ ".outcome) in ('won', 'lost')",
            "closed_date_missing",
        ),
        (
            "(" ~ deals ~ ".closed_date is not null or " ~ deals ~ ".is_closed_date_unreadable) and lower(coalesce(" ~ deals ~ ".outcome, 'open')) = 'open'",
            "outcome_missing",
        ),
    ]) }}
{%- endmacro %}
