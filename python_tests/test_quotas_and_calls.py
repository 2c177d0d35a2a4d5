"""Quotas of reps and teams for any period, and forecast calls, from files: what of them counts in the current quarter."""

import pathlib

import pytest
from conftest import run_dbt

HEADER = "deal_id,created_date,closed_date,outcome,sales_rep_id,deal_amount"
DEALS = [
    HEADER,
    "D1,2025-08-01,2025-11-20,Won,R01,1000",
    "D2,2025-08-01,2025-10-20,Won,R01,500",
    "D3,2025-08-01,,Open,R02,700",
    "D4,2025-08-01,2025-12-01,Lost,R03,9",
]
MODELS = "+int_quarter_quotas +fct_forecast_calls +int_input_row_counts"


def write(folder: pathlib.Path, name: str, lines: list[str]) -> pathlib.Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def build(folder: pathlib.Path, **files):
    variables = {key: write(folder, f"{key}.csv", value) if isinstance(value, list) else value for key, value in files.items()}
    variables = {"deals_file": write(folder, "deals.csv", DEALS), "as_of_date": "2025-12-31", **variables}
    return run_dbt(folder / "x.duckdb", variables, select=MODELS, with_tests=False).check()


def quotas(found) -> dict:
    return dict(
        found.query("select coalesce(sales_rep_id, team), round(cast(quota_amount as double), 2) from intermediate.int_quarter_quotas")
    )


@pytest.mark.parametrize(
    ("start_month", "last_day", "expected"),
    [
        # The quarter from November to January; nothing says how long R02's is.
        (2, "", {"R01": 90000}),
        # The calendar quarter from January to March: a third of R01's one and two thirds of the next.
        pytest.param(1, "", {"R01": 90000}, marks=pytest.mark.campaign),
        # A whole year of R02's: a month of it, or three.
        pytest.param(2, "2026-12-31", {"R01": 90000, "R02": 33333.33}, marks=pytest.mark.campaign),
        (1, "2026-12-31", {"R01": 90000, "R02": 100000}),
    ],
)
def test_a_quarter_takes_its_own_share_of_quotas(tmp_path, start_month, last_day, expected):
    lines = [
        "sales_rep_id,period_start,period_end,amount",
        "R01,2025-11-01,,90000",
        "R01,2026-02-01,,90000",
        f"R02,2026-01-01,{last_day},400000",
    ]
    found = build(tmp_path, quotas_file=lines, fiscal_year_start_month=start_month)
    assert quotas(found) == expected
    [counts] = found.query(
        "select row_count, accepted_count, quarantined_count from intermediate.int_input_row_counts where input = 'quotas'"
    )
    assert counts == ((3, 3, 0) if last_day else (3, 2, 1))


def test_a_team_stands_for_its_reps(tmp_path):
    found = build(
        tmp_path,
        quotas_file=[
            "team,sales_rep_id,period_start,period_end,amount",
            "East,,2026-01-01,2026-03-31,250",
            ",R01,2026-01-01,2026-03-31,90",
            ",R02,2026-01-01,2026-03-31,70",
        ],
        reps_file=["sales_rep_id,team", "R01,East", "R02,West"],
    )
    assert quotas(found) == {"East": 250, "R02": 70}


def test_calls_are_known_from_their_day_on_and_scored_when_their_period_is_over(tmp_path):
    lines = [
        "sales_rep_id,period_start,called_at,category,amount",
        "R01,2025-10-01,2025-10-05,Commit,2000",
        "R01,2025-10-01,2025-11-30,Commit,1400",
        "R01,2025-10-01,2025-11-30,Commit,1400",
        "R01,2025-10-01,2026-01-02,Commit,1500",
        "R02,2025-10-01,2025-10-05,Commit,much",
    ]
    found = build(tmp_path, forecast_calls_file=lines)
    rows = found.query(
        "select cast(called_at as date)::varchar, cast(call_amount as int), is_latest, cast(won_at_call_amount as int), cast(won_amount as int), cast(error_amount as int)"
        " from marts.fct_forecast_calls order by 1"
    )
    assert rows == [("2025-10-05", 2000, False, 0, 1500, 500), ("2025-11-30", 1400, True, 1500, 1500, -100)]
    [counts] = found.query(
        "select row_count, accepted_count, quarantined_count, duplicate_count, not_yet_known_count from intermediate.int_input_row_counts"
        " where input = 'forecast_calls'"
    )
    assert counts == (5, 2, 1, 1, 1)
