"""Amounts in several currencies: why they can't be added up, or can't be converted to the home currency."""

import duckdb

from intake.request import Request


def problems_of_currencies(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Why amounts of deals can't be added up, or can't be converted to the home currency."""
    home, file = request.variables.get("home_currency"), f"deals_file '{request.path('deals')}'"
    [(home_amount_count,)] = connection.execute(
        "select count(*) from landing.deals where trim(cast(home_amount as varchar)) <> ''" if home else "select 0"
    ).fetchall()
    if home_amount_count:
        return []
    found = connection.execute(
        "select distinct upper(trim(cast(currency_code as varchar))) as currency from landing.deals where trim(cast(currency_code as varchar)) <> '' order by 1 limit 6"
    ).fetchall()
    column = request.mapping("deals").get("currency_code", "currency_code")
    currencies = ", ".join(currency for (currency,) in found)
    if home and not found:
        return [f"home_currency is {home}, but no deal of {file} has a currency_code: map the column that holds it, or unset home_currency"]
    if home and not request.path("exchange_rates") and currencies != home.strip().upper():
        return [
            f"home_currency is {home}, but nothing says what the currencies of {file} ({currencies}) are worth in it: "
            "set exchange_rates_file, or map home_amount to the column that holds converted amounts"
        ]
    if len(found) < 2 and (marks := currency_marks(connection)):
        return [
            f"{file} mixes currencies in '{request.mapping('deals').get('deal_amount', 'deal_amount')}' ({', '.join(marks)}): put their codes into a column "
            "of their own, map it to currency_code, and set home_currency and exchange_rates_file"
        ]
    if home or len(found) < 2:
        return []
    return [
        f"{file} mixes currencies in '{column}' ({currencies}): set home_currency and exchange_rates_file, "
        "or set home_currency and map home_amount to the column that holds converted amounts"
    ]


def currency_marks(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Signs, or codes, of several currencies that stand in the amounts themselves; none where there is one kind at most."""
    columns = [name for name, *_ in connection.execute("describe landing.deals").fetchall()]
    if "deal_amount" not in columns:
        return []
    marks = """
        select distinct regexp_extract(amount, $pattern, 1) as mark
        from (select upper(trim(cast(deal_amount as varchar))) as amount from landing.deals where try_cast(deal_amount as double) is null)
        where mark <> '' order by 1 limit 6
    """
    signs, codes = [r"([A-Z]{0,2}\p{Sc})"], [r"^([A-Z]{3})\s?[-+(]?\d", r"\d\s?([A-Z]{3})$"]
    for patterns in (signs, codes):
        rows = [row for pattern in patterns for row in connection.execute(marks, {"pattern": pattern}).fetchall()]
        found = {mark.replace("US$", "$") for (mark,) in rows}
        if len(found) > 1:
            return sorted(found)
    return []
