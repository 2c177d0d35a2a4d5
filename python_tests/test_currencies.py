"""Deals in several currencies: converted by rates or as the CRM did it, or a sentence that says what is missing."""

import pathlib

import duckdb
import pytest
import yaml
from conftest import PROJECT, run_dbt

from intake.inputs import check
from intake.request import Input, Request

CONTRACT = Input("deals", ["deal_id", "created_date", "closed_date", "outcome", "deal_amount"], ["currency_code", "home_amount"])
HEADER = "deal_id,created_date,closed_date,outcome,deal_amount,currency_code"
DEALS = [
    "D1,2025-01-10,2025-02-10,Won,1000,USD",
    "D2,2025-01-10,2025-08-10,Won,1000,usd",
    "D3,2025-01-10,,Open,1000,USD",
    "D4,2025-01-10,2025-03-10,Lost,1000,EUR",
    "D5,2025-01-10,2025-03-10,Lost,1000000,JPY",
    "D6,2024-01-10,2024-03-10,Won,1000,USD",
    "D7,2025-01-10,2025-09-30,Lost,1000,",
]
RATES = "currency,valid_from,rate\nUSD,2025-01-01,0.95\nusd,2025-07-01,0.85\nUSD,2025-10-01,0.5\nEUR,2025-01-01,1\n"


def write(folder: pathlib.Path, name: str, *lines: str) -> pathlib.Path:
    path = folder / name
    path.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")
    return path


def build(folder: pathlib.Path, **variables):
    return run_dbt(folder / "x.duckdb", variables, select="+int_deals +int_companion_checks +int_input_row_counts", with_tests=False)


def test_amounts_are_converted_at_the_rate_of_their_day(tmp_path):
    found = build(
        tmp_path,
        deals_file=write(tmp_path, "deals.csv", HEADER, *DEALS),
        exchange_rates_file=write(tmp_path, "rates.csv", RATES),
        home_currency="EUR",
    ).check()
    amounts = {
        row[0]: row[1:] for row in found.query("select deal_id, cast(deal_amount as double), amount_problem from intermediate.int_deals")
    }
    assert amounts == {
        "D1": (950, None),
        "D2": (850, None),
        "D3": (850, None),
        "D4": (1000, None),
        "D5": (None, "no_exchange_rate"),
        "D6": (None, "no_exchange_rate"),
        "D7": (None, "no_exchange_rate"),
    }
    checks = dict(found.query("select check_name, row_count from intermediate.int_companion_checks where input = 'deals'"))
    assert checks == {"amounts_without_exchange_rate": 2, "amounts_before_the_first_exchange_rate": 1}
    [counts] = found.query(
        "select row_count, accepted_count, not_yet_known_count from intermediate.int_input_row_counts where input = 'exchange_rates'"
    )
    assert counts == (4, 3, 1)


def test_amounts_that_the_crm_converted_are_taken_as_they_are(tmp_path):
    lines = ["id,created_date,closed_date,outcome,deal_amount,currency_code,ConvertedAmount", "D1,2025-01-10,2025-02-10,Won,1000,USD,910.5"]
    lines += ["D2,2025-01-10,,Open,1000,EUR,1000", "D3,2025-01-10,2025-02-10,Lost,1000,JPY,"]
    found = build(
        tmp_path,
        deals_file=write(tmp_path, "deals.csv", *lines),
        home_currency="EUR",
        column_mapping={"deal_id": "id", "home_amount": "ConvertedAmount"},
    ).check()
    rows = found.query(
        "select deal_id, cast(deal_amount as double), cast(deal_amount_in_currency as double) from intermediate.int_deals order by 1"
    )
    assert rows == [("D1", 910.5, 1000), ("D2", 1000, 1000), ("D3", None, 1000)]


@pytest.mark.parametrize(
    ("deals", "rates", "home", "sentence"),
    [
        (DEALS, None, None, "mixes currencies in 'currency_code' (EUR, JPY, USD): set home_currency and exchange_rates_file"),
        (DEALS, None, "EUR", "home_currency is EUR, but nothing says what the currencies of deals_file"),
        (DEALS, RATES, None, "exchange_rates_file is set without home_currency"),
        (["D1,2025-01-10,2025-02-10,Won,1000,"], RATES, "EUR", "no deal of deals_file"),
        (["D1,2025-01-10,2025-02-10,Won,$1000,", "D2,2025-01-10,,Open,1000 €,"], None, None, "mixes currencies in 'deal_amount' ($, €)"),
        (
            ["D1,2025-01-10,2025-02-10,Won,USD 1000,", "D2,2025-01-10,,Open,EUR 1000,"],
            None,
            None,
            "mixes currencies in 'deal_amount' (EUR, USD)",
        ),
    ],
)
def test_what_is_missing_is_said_before_the_build(tmp_path, deals, rates, home, sentence):
    variables = {"deals_file": write(tmp_path, "deals.csv", HEADER, *deals)}
    variables |= {"exchange_rates_file": write(tmp_path, "rates.csv", rates)} if rates else {}
    variables = {name: str(path) for name, path in variables.items()} | ({"home_currency": home} if home else {})
    contract = [CONTRACT, Input("exchange_rates", ["currency", "valid_from", "rate"], [])]
    defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    with duckdb.connect() as connection:
        [problem] = check(connection, Request(contract, [], defaults | variables, list(variables)))
    assert sentence in problem


@pytest.mark.parametrize("amounts", [["$1000", "US$20", "30"], ["10 EUR", "20 EUR", "TBD", "n/a"], ["1.000 €", "20", ""]])
def test_one_currency_in_the_amounts_is_no_mixture(tmp_path, amounts):
    path = write(tmp_path, "deals.csv", HEADER, *(f"D{number},2025-01-10,,Open,{amount}," for number, amount in enumerate(amounts)))
    defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    with duckdb.connect() as connection:
        assert check(connection, Request([CONTRACT], [], defaults | {"deals_file": str(path)}, ["deals_file"])) == []
