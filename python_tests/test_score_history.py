"""The history of scores over several builds of one database: what it appends, what it keeps, and what moved a score."""

import datetime
import pathlib
import shutil
import signal

import duckdb
import numpy as np
import pandas
import pytest
from conftest import PROJECT, Build, run_dbt, write_size_bands
from test_same_tables import as_text, read_rows, write_rows

from tools import generate

TABLES = ("deals", "stage_history", "field_history", "activities")
FIRST, SECOND, THIRD = "2025-12-17", "2025-12-18", "2025-12-19"
CHAIN = "int_current_score_build int_kept_score_terms int_kept_deal_scores int_kept_score_changes fct_deal_score_history"
KILLED = [
    "int_kept_score_changes",
    *(pytest.param(model, marks=pytest.mark.campaign) for model in CHAIN.split()[1:] if model != "int_kept_score_changes"),
]
PARTS = ["data", "ageing", "model"]
HISTORY = "select * from marts.fct_deal_score_history order by build_number, deal_id"
TERMS = "select fit, method, coalesce(factor, '') as factor, coalesce(level, '') as level, trained_until_date, penalty, contribution, level_deal_count"
BANDED = {"deal_age_band": "age_days", "stage_age_band": "days_in_stage", "activity_age_band": "inactive_days"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("crm")
    generate.generate(folder, 1_500, 6, "csv", clean=True, tables=TABLES)
    paths = {f"{name}_file": str(folder / f"demo_{name}.csv") for name in TABLES}
    return {**paths, "bands_file": str(write_size_bands(folder)), "input_name": "one CRM"}


def build(database: pathlib.Path, files: dict, as_of_date: str, select: str = "+fct_deal_score_history", **variables: str) -> Build:
    environment = {"DBT_FULL_REFRESH": "True"} if variables.pop("full_refresh", None) else {}
    return run_dbt(database, {**files, "as_of_date": as_of_date, **variables}, select=select, with_tests=False, **environment).check()


def copy(done: Build, path: pathlib.Path) -> pathlib.Path:
    shutil.copy(done.database, path)
    return path


@pytest.fixture(scope="module")
def first(files, tmp_path_factory) -> Build:
    return build(tmp_path_factory.mktemp("first") / "sales.duckdb", files, FIRST)


@pytest.fixture(scope="module")
def second(first, files, tmp_path_factory) -> Build:
    """The day after; `first` is left as it was."""
    return build(copy(first, tmp_path_factory.mktemp("second") / "sales.duckdb"), files, SECOND)


@pytest.fixture(scope="module")
def pinned(first, files, tmp_path_factory) -> Build:
    """The day after, with the model of the first day."""
    return build(copy(first, tmp_path_factory.mktemp("pinned") / "sales.duckdb"), files, SECOND, train_as_of_date=FIRST)


def assert_same(one: pandas.DataFrame, other: pandas.DataFrame) -> None:
    """Value by value, numbers within 1e-9; an empty column has no type."""
    assert one.shape == other.shape and len(one)
    for column in one:
        if pandas.api.types.is_float_dtype(one[column]) and pandas.api.types.is_float_dtype(other[column]):
            np.testing.assert_allclose(one[column], other[column], rtol=0, atol=1e-9, err_msg=column)
        else:
            assert as_text(one[column]).tolist() == as_text(other[column]).tolist(), column


def newest(done: Build) -> pandas.DataFrame:
    return done.frame("select * from marts.fct_deal_score_history where build_number = 2").set_index("deal_id").sort_index()


def test_each_build_appends_its_open_deals(first, second):
    assert (first.frame(HISTORY).as_of_date.astype(str) == FIRST).all()
    assert first.query("select count(*) from marts.fct_deal_score_history where previous_build_id is not null") == [(0,)]
    rows = second.frame(HISTORY)
    assert_same(rows[rows.build_number == 1], first.frame(HISTORY))
    shown = second.frame("select deal_id, win_probability, score_status from intermediate.int_deal_scores order by deal_id")
    assert_same(newest(second).reset_index()[list(shown)], shown)
    assert set(shown.score_status) == {"model"} and rows.build_id.nunique() == rows.model_version.nunique() == 2
    assert set(newest(second).previous_as_of_date.dropna().astype(str)) == {FIRST}


def levels(done: Build) -> pandas.DataFrame:
    return done.frame("select * from intermediate.int_score_observations where purpose = 'score'").set_index("deal_id").sort_index()


def band_names(kind: str, days: pandas.Series) -> list[str | None]:
    rows = [row for row in read_rows(PROJECT / "seeds" / "reference" / "bands.csv") if row["band_type"] == kind]
    upper = [float(row["upper_bound"] or "inf") for row in rows]
    return [None if pandas.isna(day) else rows[int(np.searchsorted(upper, day))]["band"] for day in days]


def test_parts_are_those_recomputed_from_terms_and_values(first, second):
    """By hand from the old build's terms: the levels of the old values, of those moved on by a day, and of the new ones."""
    rows = newest(second).dropna(subset="previous_build_id")
    old, new = levels(first).loc[rows.index], levels(second).loc[rows.index]
    raw = first.frame("select * from intermediate.int_deal_observations where purpose = 'score'").set_index("deal_id").loc[rows.index]
    aged = old.copy()
    for factor, column in BANDED.items():
        names = pandas.Series(band_names(factor, raw[column] + 1), rows.index)
        aged[factor] = (raw.stage + ", " + names if factor == "stage_age_band" else names).fillna("Unknown")
    terms = first.frame(TERMS + " from intermediate.ml_score_fits where fit = 'final' and method = 'model'")
    found = {(row.factor, row.level): row.contribution for row in terms.itertuples()}
    factors = sorted(set(terms.factor) - {""})

    def log_odds(values: pandas.DataFrame) -> np.ndarray:
        return found["", ""] + sum(np.array([found.get((factor, level), 0.0) for level in values[factor]]) for factor in factors)

    expected = {
        "ageing": log_odds(aged) - log_odds(old),
        "data": log_odds(new) - log_odds(aged),
        "model": rows.win_log_odds - log_odds(new),
    }
    chance = {name: 100 / (1 + np.exp(-log_odds(values))) for name, values in (("old", old), ("aged", aged), ("new", new))}
    points = {
        "ageing": chance["aged"] - chance["old"],
        "data": chance["new"] - chance["aged"],
        "model": 100 * rows.win_probability - chance["new"],
    }
    for part in PARTS:
        np.testing.assert_allclose(rows[f"log_odds_change_by_{part}"], expected[part], atol=1e-9, err_msg=part)
        np.testing.assert_allclose(rows[f"change_by_{part}_pp"], points[part], atol=1e-9, err_msg=part)
        assert (np.abs(expected[part]) > 1e-3).sum() > 0, f"no deal moved by {part}"
    assert len(rows) > 50


def test_parts_sum_to_the_change(first, second):
    rows = newest(second).dropna(subset="previous_build_id")
    then = first.frame(HISTORY).set_index("deal_id").loc[rows.index]
    np.testing.assert_allclose(
        rows[[f"log_odds_change_by_{part}" for part in PARTS]].sum(axis=1), rows.win_log_odds - then.win_log_odds, atol=1e-9
    )
    np.testing.assert_allclose(
        rows[[f"change_by_{part}_pp" for part in PARTS]].sum(axis=1), 100 * (rows.win_probability - then.win_probability), atol=1e-9
    )


def test_a_pinned_model_leaves_data_and_ageing_and_an_untouched_deal_only_ages(first, pinned):
    rows = newest(pinned).dropna(subset="previous_build_id")
    assert set(rows.model_version) == set(rows.previous_model_version)
    assert set(rows.trained_as_of_date.astype(str)) == {FIRST}
    assert (rows[["log_odds_change_by_model", "change_by_model_pp"]] == 0).all(axis=None)
    days = ["age_days", "days_in_stage", "inactive_days"]
    values = "select * exclude (purpose, observation_date, is_stale) from intermediate.int_deal_observations where purpose = 'score'"
    before, after = (done.frame(values).set_index("deal_id").loc[rows.index] for done in (first, pinned))
    before[days] += 1
    untouched = as_text(before).eq(as_text(after)).all(axis=1)
    assert 30 < untouched.sum() < len(rows)
    assert (rows.loc[untouched, ["log_odds_change_by_data", "change_by_data_pp"]] == 0).all(axis=None)
    assert set(rows.main_cause[untouched]) == {"ageing", "none"}
    assert (rows.log_odds_change_by_data[~untouched] != 0).any()
    assert pinned.query("select count(distinct model_version) from intermediate.int_kept_score_terms") == [(1,)]


def test_the_same_build_twice_appends_nothing_and_a_full_refresh_keeps_all(second, files, tmp_path):
    database = copy(second, tmp_path / "sales.duckdb")
    again = build(database, files, SECOND)
    assert_same(again.frame(HISTORY), second.frame(HISTORY))
    refreshed = build(database, files, SECOND, full_refresh="yes")
    assert_same(refreshed.frame(HISTORY), second.frame(HISTORY))
    for table in ("int_kept_deal_scores", "int_kept_score_changes", "int_kept_score_terms"):
        count = f"select count(*) from intermediate.{table}"
        assert refreshed.query(count) == second.query(count), table


def test_a_database_with_the_former_names_of_the_kept_tables_keeps_their_rows(first, second, files, tmp_path):
    database = copy(first, tmp_path / "sales.duckdb")
    former = {
        "int_score_snapshots": "int_kept_deal_scores",
        "int_score_moves": "int_kept_score_changes",
        "int_score_versions": "int_kept_score_terms",
    }
    with duckdb.connect(database) as connection:
        for old, new in former.items():
            connection.execute(f"alter table intermediate.{new} rename to {old}")
    done = build(database, files, SECOND)
    assert_same(done.frame(HISTORY), second.frame(HISTORY))
    for old, new in former.items():
        assert done.query(f"select count(*) from duckdb_tables() where table_name = '{old}'") == [(0,)]
        assert done.query(f"select count(*) from intermediate.{new}") == second.query(f"select count(*) from intermediate.{new}")


def test_corrected_data_and_an_older_date_are_builds_of_their_own(second, files, tmp_path):
    """Another value of one open deal on the same date, then a replay of the week before: what stands isn't touched."""
    deals = read_rows(pathlib.Path(files["deals_file"]))
    row = next(row for row in deals if row["deal_id"] == newest(second).dropna(subset="previous_build_id").index[0])
    row["industry"] = next(other["industry"] for other in deals if other["industry"] != row["industry"])
    corrected = {**files, "deals_file": str(write_rows(tmp_path / "deals.csv", deals, list(deals[0])))}
    database = copy(second, tmp_path / "sales.duckdb")
    build(database, corrected, SECOND)
    done = build(database, files, "2025-12-10")
    rows = done.frame(HISTORY)
    assert_same(rows[rows.build_number <= 2], second.frame(HISTORY))
    third, replay = (rows[rows.build_number == number].set_index("deal_id") for number in (3, 4))
    assert set(third.previous_as_of_date.dropna().astype(str)) == {FIRST}
    differs = third.log_odds_change_by_data - newest(second).log_odds_change_by_data
    assert abs(differs[row["deal_id"]]) > 1e-6 and (differs.drop(row["deal_id"]).dropna().abs() < 1e-9).all()
    assert len(replay) > 50 and replay.previous_build_id.isna().all()


@pytest.fixture(scope="module")
def ready(first, files, tmp_path_factory) -> Build:
    """The second day up to its scores, and nothing of its history."""
    return build(
        copy(first, tmp_path_factory.mktemp("ready") / "sales.duckdb"), files, SECOND, select="+int_deal_scores +int_current_score_build"
    )


def kill(database: pathlib.Path, variables: dict, model: str, select: str = CHAIN) -> None:
    """Run the models of `select`, and end the process without warning while `model` runs."""
    killed = run_dbt(database, variables, select=select, with_tests=False, killed_at=rf"START .*\.{model} ")
    assert killed.exit_code == -signal.SIGKILL, killed.output


@pytest.mark.parametrize("model", KILLED)
def test_a_killed_build_is_made_whole_by_the_next(model, ready, second, files, tmp_path):
    database = copy(ready, tmp_path / "sales.duckdb")
    kill(database, {**files, "as_of_date": SECOND}, model)
    done = build(database, files, SECOND, select=CHAIN)
    assert_same(done.frame(HISTORY), second.frame(HISTORY))


def test_a_build_killed_after_its_scores_were_kept_is_there_after_the_next_day(ready, second, files, tmp_path):
    """Killed before its moves and its mart, and not repeated: the next day's build appends both days."""
    database = copy(ready, tmp_path / "sales.duckdb")
    build(database, files, SECOND, select="int_kept_score_terms int_kept_deal_scores")
    done = build(database, files, THIRD)
    rows = done.frame(HISTORY)
    assert_same(rows[rows.build_number <= 2], second.frame(HISTORY))
    assert set(rows[rows.build_number == 3].previous_as_of_date.dropna().astype(str)) == {SECOND}


def test_a_fit_pinned_to_a_date_is_the_fit_of_a_build_as_of_that_date(files, tmp_path):
    date, today = "2025-09-10", "2025-12-31"
    then = build(tmp_path / "then.duckdb", files, date, select="+int_deal_scores")
    now = build(tmp_path / "now.duckdb", files, today, select="+int_deal_scores +int_current_score_build", train_as_of_date=date)
    order = " from intermediate.ml_score_fits order by fit, method, factor, level"
    one, other = (done.frame(TERMS + order) for done in (then, now))
    pandas.testing.assert_frame_equal(one, other, rtol=0, atol=1e-9)
    assert len(one) > 300 and one.penalty.notna().any()
    assert now.query("select distinct observation_date from intermediate.int_score_observations where purpose = 'score'") == [
        (datetime.date(2025, 12, 31),)
    ]
    assert now.query("select score_status from intermediate.int_current_score_build") == then.query(
        "select distinct score_status from intermediate.int_deal_scores"
    )
    assert now.query("select count(*) from intermediate.int_cohort_maturity where mature_from_date = date '2025-09-10'") == [(0,)]
