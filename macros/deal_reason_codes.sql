{# Why a row of the deals file can't be accepted, from the columns of the relation `row`; null when it can. #}
{% macro deal_reason_codes(row) -%}
    {{ reason_codes([
        (row ~ ".deal_id is null", "deal_id_missing"),
        (row ~ ".created_date is null and not " ~ row ~ ".is_created_date_unreadable", "created_date_missing"),
        (row ~ ".is_created_date_unreadable", "created_date_unreadable"),
        (row ~ ".is_closed_date_unreadable", "closed_date_unreadable"),
        (row ~ ".closed_date < " ~ row ~ ".created_date", "closed_before_created"),
        (row ~ ".deal_amount is null and not " ~ row ~ ".is_deal_amount_unreadable", "deal_amount_missing"),
        (row ~ ".is_deal_amount_unreadable", "deal_amount_unreadable"),
        (row ~ ".deal_amount <= 0", "deal_amount_not_positive"),
        (row ~ ".deal_amount >= " ~ var("max_deal_amount"), "deal_amount_too_large"),
        ("lower(" ~ row ~ ".outcome) not in ('won', 'lost', 'open')", "outcome_unknown"),
        (
            row ~ ".closed_date is null and not " ~ row ~ ".is_closed_date_unreadable and lower(" ~ row ~ ".outcome) in ('won', 'lost')",
            "closed_date_missing",
        ),
        (
            "(" ~ row ~ ".closed_date is not null or " ~ row ~ ".is_closed_date_unreadable) and lower(coalesce(" ~ row ~ ".outcome, 'open')) = 'open'",
            "outcome_missing",
        ),
    ]) }}
{%- endmacro %}
