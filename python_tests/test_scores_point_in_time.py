"""Observations of deals hold what was known on their day and nothing later."""

import pytest
from conftest import Build, run_dbt, write_size_bands
from test_same_tables import cut, write_inputs

DATE = "2025-12-17"
EARLIER = ["2025-05-21", "2024-11-06"]  # whole weeks before DATE
OUTCOME = ["purpose", "is_won", "closed_date", "deal_weight", "penalty_group"]


def build(folder, name: str, variables: dict, date: str) -> Build:
    variables = {**variables, "as_of_date": date, "bands_file": write_size_bands(folder)}
    return run_dbt(folder / f"{name}.duckdb", variables, select="+int_score_observations", with_tests=False).check()


def rows(build: Build, table: str, where: str = "true"):
    frame = build.frame(f"select * from intermediate.{table} where {where} order by deal_id, observation_date, purpose")
    return frame.set_index(["deal_id", "observation_date"])


@pytest.fixture(scope="module")
def replayed(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("replayed")
    return build(folder, "replayed", write_inputs(folder / "whole", lambda name, rows: rows), DATE)


def test_observations_as_of_a_past_date_are_those_of_data_cut_at_it(replayed, tmp_path):
    then = build(tmp_path, "then", write_inputs(tmp_path / "known", lambda name, rows: cut(name, rows, DATE)), DATE)
    for table in ("int_deal_observations", "int_score_observations"):
        frame = rows(replayed, table)
        assert len(frame) > 10_000
        assert frame.equals(rows(then, table)), table


@pytest.mark.parametrize("date", [EARLIER[0], pytest.param(EARLIER[1], marks=pytest.mark.campaign)])
def test_what_is_observed_on_a_day_is_what_a_build_of_that_day_scored(date, replayed, tmp_path):
    """A training row of a past day equals, factor by factor, the row the deal was scored by on that day, on data cut then."""
    then = build(tmp_path, "then", write_inputs(tmp_path / "known", lambda name, rows: cut(name, rows, date)), date)
    for table in ("int_deal_observations", "int_score_observations"):
        trained = rows(replayed, table, f"purpose = 'training' and observation_date = '{date}'").drop(columns=OUTCOME, errors="ignore")
        scored = rows(then, table, "purpose = 'score'").drop(columns=OUTCOME, errors="ignore")
        common = trained.index.intersection(scored.index)
        assert len(common) > 100 and len(common) == len(trained)
        different = trained.loc[common].astype(str).compare(scored.loc[common].astype(str))
        assert not len(different), f"{table}\n{different.to_string()[:3000]}"
