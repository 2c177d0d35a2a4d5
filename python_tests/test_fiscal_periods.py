"""Quarters and years of the company: the macros of macros/periods.sql, and the trend's own, for each month a year can begin with."""

import datetime
import pathlib
import types

import duckdb
import jinja2
import pytest

from models.win_rates.ml_win_rate_trend import quarter_start

PROJECT = pathlib.Path(__file__).resolve().parent.parent
DAYS = "select cast(unnest(generate_series(date '2019-01-01', date '2024-12-31', interval 1 day)) as date) as day"
FUNCTIONS = types.SimpleNamespace(
    dateadd=lambda part, number, day: f"date_add({day}, interval ({number}) {part})",
    date_trunc=lambda part, day: f"date_trunc('{part}', {day})",
)


def periods(start_month: int) -> list[tuple]:
    """Day, first and last day of its quarter, first day of its year, of six years."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    source = (PROJECT / "macros/periods.sql").read_text() + "{{ quarter_start('day') }}, {{ quarter_end('day') }}, {{ year_start('day') }}"
    columns = environment.from_string(source).render(dbt=FUNCTIONS, var=lambda name: {"fiscal_year_start_month": start_month}[name])
    return duckdb.sql(f"select day, {columns} from ({DAYS}) order by day").fetchall()


@pytest.mark.parametrize("start_month", range(1, 13))
def test_each_day_lies_in_one_quarter_of_one_year_and_quarters_tile_the_year(start_month):
    rows = periods(start_month)
    for day, first_day, last_day, year_start in rows:
        assert first_day <= day <= last_day
        assert year_start.month == start_month and first_day.day == year_start.day == 1
        assert (day.year - year_start.year) * 12 + day.month - year_start.month in range(12)
    quarters = sorted({row[1:3] for row in rows})
    for (_, last_day), (next_first_day, _) in zip(quarters, quarters[1:], strict=False):
        assert next_first_day - last_day == datetime.timedelta(days=1)
    whole_years = sorted({row[3] for row in rows})[1:-1]
    for year_start in whole_years:
        assert len({row[1] for row in rows if row[3] == year_start}) == 4


@pytest.mark.parametrize(("start_month", "starts"), [(1, (1, 4, 7, 10)), (2, (2, 5, 8, 11)), (7, (1, 4, 7, 10)), (12, (3, 6, 9, 12))])
def test_quarters_begin_where_the_year_says(start_month, starts):
    assert {first_day.month for _, first_day, _, _ in periods(start_month)} == set(starts)


@pytest.mark.parametrize("start_month", range(1, 13))
def test_the_trend_has_the_quarters_of_the_macros(start_month):
    assert all(quarter_start(day.replace(day=1), start_month) == first_day for day, first_day, _, _ in periods(start_month))
