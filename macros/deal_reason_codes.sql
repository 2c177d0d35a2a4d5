{# Why a row of the deals file can't be accepted, from its own columns; null when it can. #}
{% macro deal_reason_codes() -%}
    {{ reason_codes([
        ("deal_id is null", "deal_id_missing"),
        ("raw_created_date is null", "created_date_missing"),
        ("raw_created_date is not null and created_date is null", "created_date_unreadable"),
        ("raw_closed_date is not null and closed_date is null", "closed_date_unreadable"),
        ("closed_date < created_date", "closed_before_created"),
        ("raw_deal_amount is null", "deal_amount_missing"),
        ("raw_deal_amount is not null and deal_amount is null", "deal_amount_unreadable"),
        ("deal_amount <= 0", "deal_amount_not_positive"),
        ("deal_amount >= " ~ var("max_deal_amount"), "deal_amount_too_large"),
        ("lower(outcome) not in ('won', 'lost', 'open')", "outcome_unknown"),
        ("raw_closed_date is null and lower(outcome) in ('won', 'lost')", "closed_date_missing"),
        ("raw_closed_date is not null and lower(coalesce(outcome, 'open')) = 'open'", "outcome_missing"),
    ]) }}
{%- endmacro %}
