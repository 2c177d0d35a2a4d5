"""The same input gives the same tables: as of a past date as on data cut at that date, at any thread count and row order."""

import csv
import datetime
import functools
import os
import pathlib
import random

import numpy
import pandas
import pytest
from conftest import PROJECT, Build, run_dbt

DEMO = PROJECT / "seeds" / "demo"
INPUTS = ["deals", "stage_history", "field_history", "activities", "interventions", "reps", "quotas"]
EVENT_COLUMN = {"stage_history": "entered_at", "field_history": "changed_at", "activities": "occurred_at", "interventions": "taken_at"}
KNOWN_AT_CLOSE = [
    "closed_date",
    "outcome",
    "deal_stage",
    "sales_cycle_days",
    "stage_probability",
    "forecast_category",
    "lost_reason",
    "competitor",
]
# How many rows the file has beyond the date is the one thing a cut file can't tell.
COUNTS_OF_THE_WHOLE_FILE = ["rows_in", "rows_not_yet_known"]

USUAL_DATE = "2025-03-14"
DATES = [USUAL_DATE, *(pytest.param(date, marks=pytest.mark.campaign) for date in ("2024-09-30", "2025-08-31"))]
if os.environ.get("SALES_ALL_DATES"):
    DATES = [str(datetime.date(2024, 6, 15) + datetime.timedelta(days=28 * step)) for step in range(20)]


def read_rows(path: pathlib.Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: pathlib.Path, rows: list[dict], columns: list[str]) -> pathlib.Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def is_later(text: str, date: str) -> bool:
    """Is ISO text a date after `date`? Text that is no date is not later than anything."""
    try:
        return datetime.date.fromisoformat(text[:10]) > datetime.date.fromisoformat(date)
    except ValueError:
        return False


def cut(input_name: str, rows: list[dict], date: str) -> list[dict]:
    """What of an input existed at the end of `date`: an implementation of the point-in-time rule apart from the models."""
    if input_name == "deals":
        known = []
        for row in rows:
            if is_later(row["created_date"], date):
                continue
            row = dict(row)
            if is_later(row["closed_date"], date):
                row.update({column: "" for column in KNOWN_AT_CLOSE})
            if is_later(row["updated_at"], date):
                row["updated_at"] = ""
            known.append(row)
        return known
    if input_name in EVENT_COLUMN:
        return [row for row in rows if not is_later(row[EVENT_COLUMN[input_name]], date)]
    return rows


def write_inputs(folder: pathlib.Path, change) -> dict:
    """Write the demo's files with `change(input, rows)` applied; returns the vars that read them."""
    folder.mkdir(parents=True)
    variables = {}
    for name in INPUTS:
        rows = read_rows(DEMO / f"demo_{name}.csv")
        variables[f"{name}_file"] = write_rows(folder / f"{name}.csv", change(name, rows), list(rows[0]))
    return variables


def marts(build: Build) -> dict[str, pandas.DataFrame]:
    names = build.query("select table_name from information_schema.tables where table_schema = 'marts' order by 1")
    tables = {}
    for (name,) in names:
        frame = build.frame(f"select * from marts.{name}")
        if name == "rpt_data_quality":
            frame = frame[~frame.check_name.isin(COUNTS_OF_THE_WHOLE_FILE)]
        exact = [column for column in frame if not pandas.api.types.is_float_dtype(frame[column])]
        tables[name] = frame.loc[as_text(frame[exact]).sort_values(exact).index].reset_index(drop=True)
    return tables


def as_text(values):
    """The values as text, nulls included, so that two nulls are equal."""
    return values.astype(object).where(values.notna(), "(null)").astype(str)


def assert_same_marts(one: Build, other: Build) -> None:
    left, right = marts(one), marts(other)
    assert list(left) == list(right)
    for name, frame in left.items():
        twin = right[name]
        assert list(frame) == list(twin) and len(frame) == len(twin), name
        for column in frame:
            if pandas.api.types.is_float_dtype(frame[column]):
                numpy.testing.assert_allclose(frame[column], twin[column], rtol=1e-12, atol=1e-12, err_msg=f"{name}.{column}")
            else:
                different = as_text(frame[column]) != as_text(twin[column])
                assert not different.any(), f"{name}.{column}\n{frame[different].head()}\n{twin[different].head()}"


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory):
    """The demo's files as of a date, whole, on one thread; each date is built once."""

    @functools.cache
    def build(date: str) -> Build:
        folder = tmp_path_factory.mktemp("one_thread")
        variables = write_inputs(folder / "files", lambda name, rows: rows) | {"as_of_date": date}
        return run_dbt(folder / "sales.duckdb", variables, with_tests=False, SALES_THREADS="1", SALES_DUCKDB_THREADS="1").check()

    return build


@pytest.mark.parametrize("date", DATES)
def test_as_of_a_past_date_equals_a_build_on_data_cut_at_it(date, one_thread, tmp_path):
    known = write_inputs(tmp_path / "files", lambda name, rows: cut(name, rows, date))
    then = run_dbt(tmp_path / "sales.duckdb", known | {"as_of_date": date}, with_tests=False).check()
    assert one_thread(date).query("select count(*) from marts.fct_open_deals")[0][0] > 50
    assert_same_marts(one_thread(date), then)


@pytest.mark.parametrize("threads", [pytest.param("2", marks=pytest.mark.campaign), "8"])
def test_any_thread_count_and_row_order_gives_the_same_marts(threads, one_thread, tmp_path):
    def shuffled(name: str, rows: list[dict]) -> list[dict]:
        return random.Random(int(threads)).sample(rows, len(rows))

    variables = write_inputs(tmp_path / "files", shuffled) | {"as_of_date": USUAL_DATE}
    other = run_dbt(tmp_path / "sales.duckdb", variables, with_tests=False, SALES_THREADS=threads, SALES_DUCKDB_THREADS=threads).check()
    assert_same_marts(one_thread(USUAL_DATE), other)
