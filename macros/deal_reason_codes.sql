{# Why a row of the deals file can't be placed at all, from the columns of the relation `row`; null when it can. What a deal merely lacks (an amount,
   the date of its close) takes it out of the figures that need it, not out of the deals. #}
{% macro deal_reason_codes(row) -%}
    {{ reason_codes([
        (row ~ ".deal_id is null", "deal_id_missing"),
        (row ~ ".created_date is null and not " ~ row ~ ".is_created_date_unreadable", "created_date_missing"),
        (row ~ ".is_created_date_unreadable", "created_date_unreadable"),
        (row ~ ".created_date < cast('1990-01-01' as date)", "created_date_implausible"),
        (row ~ ".closed_date < cast('1990-01-01' as date)", "closed_date_implausible"),
        (row ~ ".closed_date >= cast('1990-01-01' as date) and " ~ row ~ ".closed_date < " ~ row ~ ".created_date", "closed_before_created"),
        (row ~ ".outcome is null and " ~ row ~ ".stated_outcome is not null", "outcome_unknown"),
        (
            row ~ ".outcome is null and " ~ row ~ ".stated_outcome is null and " ~ row ~ ".stated_stage is not null and " ~ row ~ ".deal_stage is null",
            "deal_stage_unknown",
        ),
        (
            row ~ ".outcome is null and " ~ row ~ ".stated_outcome is null and (" ~ row ~ ".stated_stage is null or " ~ row ~ ".deal_stage is not null)",
            "outcome_missing",
        ),
    ]) }}
{%- endmacro %}
