"""Scores of whole builds: SQL against Python, the gate closed on noise, what is said of new values and of too little data, and leaks."""

import csv
import datetime
import pathlib

import numpy as np
import pytest
from conftest import Build, run_dbt
from test_same_tables import read_rows, write_inputs, write_rows

from tools import crm as crm_effects
from tools import generate
from tools.simulations import scores as simulation

MARTS = "+fct_deal_scores +fct_deal_score_reasons +rpt_score_quality +rpt_score_calibration"


def build(database: pathlib.Path, variables: dict, select: str = MARTS) -> Build:
    return run_dbt(database, variables, select=select, with_tests=False).check()


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def log_odds(terms, values) -> np.ndarray:
    """Of observations (a frame of factor values), by the terms of one method of one fit: a value without a term adds nothing."""
    found = {(row.factor, row.level): row.contribution for row in terms[terms.factor.notna()].itertuples()}
    total = np.full(len(values), terms.contribution[terms.factor.isna()].iloc[0])
    for factor in {factor for factor, _ in found}:
        total += [found.get((factor, level), 0.0) for level in values[factor.split(" x ")].agg(" | ".join, axis=1)]
    return total


def test_scores_in_sql_are_those_recomputed_from_the_terms(demo):
    """Of open deals by the final fit, and of test deals by the fold that tests them, for all methods."""
    terms = demo.frame("select fit, method, factor, level, contribution from intermediate.ml_score_fits")
    key = ["deal_id", "observation_date", "purpose"]
    observations = demo.frame("select * from intermediate.int_score_observations").set_index(key)
    scored = demo.frame("""
        select fit, method, deal_id, observation_date, purpose, log_odds, win_probability from intermediate.int_score_predictions
        union all
        select 'final', method, deal_id, as_of_date, 'score', log_odds, win_probability from intermediate.int_deal_scores
        union all
        select fit, method, deal_id, observation_date, purpose, average_log_odds + sum(contribution), null
        from intermediate.int_score_contributions
        where purpose = 'score'
        group by fit, method, deal_id, observation_date, purpose, average_log_odds
    """)
    assert set(scored[scored.fit == "final"].method) == {"base", "table", "model"}
    compared = 0
    for (fit, method), rows in scored.groupby(["fit", "method"]):
        values = observations.loc[list(rows[key].itertuples(index=False, name=None))]
        expected = log_odds(terms[(terms.fit == fit) & (terms.method == method)], values)
        np.testing.assert_allclose(rows.log_odds, expected, atol=1e-9)
        shown = rows.win_probability.notna()
        np.testing.assert_allclose(rows.win_probability[shown], sigmoid(expected[shown]), atol=1e-9)
        compared += shown.sum()
    assert compared > 20_000


def test_the_method_model_is_backtested_with_the_newest_score_known_on_the_date(demo):
    """Sums of amount x probability by date, by the newest fit of then; before the first fit they are those of the base rate."""
    mart = demo.frame("select * from marts.rpt_pipeline_value_backtest").pivot(
        index="forecast_date", columns="method", values="forecast_amount"
    )
    fits = demo.frame("select * from intermediate.ml_score_fits where method = 'model' and trained_until_date is not null")
    deals = demo.frame("""
        select observations.*, replayed.forecast_date, replayed.deal_amount as amount
        from intermediate.int_replayed_deals as replayed
        left join intermediate.int_score_observations as observations
            on replayed.deal_id = observations.deal_id and replayed.forecast_date = observations.observation_date and purpose = 'backtest'
        where not is_as_of_date
    """)
    early = 0
    for date, pipeline in deals.groupby("forecast_date"):
        known = fits[fits.trained_until_date <= date]
        if known.empty:
            early += 1
            assert mart.model[date] == pytest.approx(mart.flat[date], rel=1e-12)
            continue
        assert pipeline.deal_id.notna().all()
        newest = known[known.trained_until_date == known.trained_until_date.max()]
        expected = pipeline.amount.astype(float) @ sigmoid(log_odds(newest, pipeline))
        assert mart.model[date] == pytest.approx(expected, rel=1e-9)
        assert abs(mart.model[date] / mart.flat[date] - 1) > 1e-3
    assert 0 < early < len(mart)


def test_the_fit_of_the_demo_is_that_of_the_functions_on_its_observations(demo):
    """The final model, fitted again from the observations in another order of rows."""
    factors = [each["factor"] for each in simulation.settings()[0]["factors"]]
    frame = demo.frame("select * from intermediate.int_score_observations where purpose = 'training'").sample(frac=1, random_state=1)
    deal = np.unique(frame.deal_id, return_inverse=True)[1]
    first = np.unique(deal, return_index=True)[1]
    codes, levels = {}, {}
    for factor in factors:
        names, codes[factor] = np.unique(frame[factor].astype(str), return_inverse=True)
        levels[factor] = names.tolist()
    data = simulation.fits.Observations(
        deal, frame.deal_weight.to_numpy(), codes, levels, frame.is_won.to_numpy()[first].astype(int),
        np.zeros(len(first)), np.zeros(len(first)), frame.penalty_group.to_numpy()[first],
    )  # fmt: skip
    settings = simulation.settings()[0]
    fit = simulation.fits.ridge(
        data, settings["penalties"], settings["penalty_groups"], settings["min_level_deals"], settings["max_levels"]
    )
    expected = {(factor or "", level or ""): value for factor, level, value, *_ in simulation.fits.model_terms(data, fit)}
    built = demo.frame("select * from intermediate.ml_score_fits where fit = 'final' and method = 'model'")
    assert built.penalty.iloc[0] == fit.penalty and len(built) == len(expected)
    names = zip(built.factor.fillna(""), built.level.fillna(""), strict=True)
    np.testing.assert_allclose(built.contribution, [expected[name] for name in names], atol=1e-9)


def test_shown_reasons_are_the_three_strongest_of_each_direction(demo):
    reasons = demo.frame("select * from marts.fct_deal_score_reasons")
    shown = reasons[reasons.is_shown]
    assert shown.groupby(["deal_id", "direction"]).size().max() == 3 and shown.contribution_pp.abs().min() >= 1
    assert set(shown.direction) == {"down", "up"}
    hidden = reasons[~reasons.is_shown & (reasons.contribution_pp.abs() >= 1)]
    weakest = shown.groupby(["deal_id", "direction"]).contribution_pp.apply(lambda points: points.abs().min())
    for row in hidden.itertuples():
        assert abs(row.contribution_pp) <= weakest[row.deal_id, row.direction] + 1e-9


def test_deals_that_sit_in_a_stage_are_at_risk_and_the_mart_says_why(demo):
    """The demo's planted aging."""
    rows = demo.frame("""
        select open_deals.days_in_stage > 21 as is_aging, avg(scores.win_probability) as probability, avg(scores.health_score) as health
        from marts.fct_deal_scores as scores inner join marts.fct_open_deals as open_deals using (deal_id)
        where days_in_stage is not null group by all order by 1
    """)
    assert rows.probability[0] - rows.probability[1] > 0.12 and rows.health[0] > rows.health[1]
    worst = demo.query("""
        select reasons.factor, count(*) from marts.fct_deal_score_reasons as reasons inner join marts.fct_open_deals using (deal_id)
        where direction = 'down' and direction_rank = 1 and days_in_stage > 28 group by all order by 2 desc
    """)
    assert worst[0][0] == "stage_age_band"


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("noise")
    generate.generate(folder, 2_000, 5, "csv", crm_effects.NO_EFFECTS, clean=True)
    return build(
        folder / "noise.duckdb", {f"{name}_file": str(folder / f"demo_{name}.csv") for name in ("deals", "stage_history", "field_history")}
    )


def test_on_noise_the_gate_is_closed_and_every_deal_has_the_base_rate(noise):
    rows = noise.frame("select * from marts.fct_deal_scores")
    assert len(rows) > 100 and set(rows.score_status) == {"gated"}
    assert rows.win_probability.nunique() == 1 and (rows.lift == 1).all()
    training = "select avg(won) from (select max(is_won::int) as won from intermediate.int_score_observations where purpose = 'training' group by deal_id)"
    assert rows.win_probability[0] == pytest.approx(noise.query(training)[0][0], abs=1e-9)
    assert rows.score_reason.str.contains("no better score is proven").all()
    assert noise.query("select count(*) from marts.fct_deal_score_reasons") == [(0,)]
    assert noise.query("select count(*) from marts.rpt_score_quality where score_status = 'gated' and not is_automation_ready") == [(5,)]


def test_on_a_real_file_without_signal_the_gate_is_closed(real_build_as_of):
    done = real_build_as_of("2023-12-31")
    scores = "select count(*), count(distinct win_probability), min(score_status), max(score_status) from marts.fct_deal_scores"
    assert done.query(scores) == [(695, 1, "gated", "gated")]
    assert done.query("select count(*) from marts.fct_deal_score_reasons") == [(0,)]
    [(verdict, finding)] = done.query("select verdict, finding from marts.rpt_score_quality where fold = 'all'")
    assert verdict == "no_signal" and "every open deal shows the base rate" in finding
    parts = "win_by_period_end_probability + lose_by_period_end_probability + slip_probability"
    assert done.query(f"select count(*) from marts.fct_deal_scores where abs({parts} - 1) > 1e-9") == [(0,)]


def test_new_values_and_missing_data_are_said(tmp_path):
    """A new rep and product in an open deal; no field history and no activities at all."""
    generate.generate(tmp_path, 1_500, 6, "csv", clean=True, tables=("deals", "stage_history"))
    deals = read_rows(tmp_path / "demo_deals.csv")
    newcomer = next(row for row in deals if not row["closed_date"])
    newcomer |= {"sales_rep_id": "NEW", "product_type": "Brand New"}
    write_rows(tmp_path / "demo_deals.csv", deals, list(deals[0]))
    files = {f"{name}_file": str(tmp_path / f"demo_{name}.csv") for name in ("deals", "stage_history")}
    done = build(tmp_path / "new.duckdb", files, MARTS + " int_score_factors")
    assert done.query("select distinct score_status from marts.fct_deal_scores") == [("model",)]
    said = done.query(f"select fallback_reason from marts.fct_deal_scores where deal_id = '{newcomer['deal_id']}'")[0][0]
    assert "sales_rep_id NEW" in said and "product_type Brand New" in said
    unseen = (
        f"select factor, contribution from marts.fct_deal_score_reasons where deal_id = '{newcomer['deal_id']}' and is_unseen order by 1"
    )
    assert done.query(unseen) == [("product_type", 0.0), ("sales_rep_id", 0.0)]
    absent = {"push_band", "amount_increase_band", "amount_decrease_band", "activity_age_band"}
    assert {factor for (factor,) in done.query("select factor from intermediate.int_score_factors where not is_available")} == absent
    assert not absent & {factor for (factor,) in done.query("select distinct factor from marts.fct_deal_score_reasons")}


def test_too_few_deals_are_a_cold_start(tmp_path):
    rows = ["D1,2024-01-01,2024-01-10,R,I,E,P,L,Closed,100,9,Won", "D2,2024-01-01,2024-01-20,R,I,E,P,L,Closed,100,19,Lost"]
    rows += ["D3,2024-01-05,,R,I,E,P,L,Demo,100,,", "D4,2024-01-05,2024-01-25,R,I,E,P,L,Closed,100,20,Lost"]
    header = "deal_id,created_date,closed_date,sales_rep_id,industry,region,product_type,lead_source,deal_stage,deal_amount,sales_cycle_days,outcome"
    path = tmp_path / "deals.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    done = build(tmp_path / "few.duckdb", {"deals_file": str(path)})
    row = done.frame("select * from marts.fct_deal_scores").iloc[0]
    assert (row.deal_id, row.score_status, row.risk_score) == ("D3", "cold_start", 67)
    assert row.win_probability == pytest.approx(1 / 3) and "too few" in row.score_reason
    assert done.query("select fold, verdict, deal_count from marts.rpt_score_quality") == [("all", "insufficient_n", 0)]


def test_what_is_written_on_the_day_of_the_close_enters_no_observation(tmp_path):
    """The outcome is written all over the day on which deals close: into amount, owner, expected date, activities and the deals file."""
    whole = write_inputs(tmp_path / "whole", lambda name, rows: rows)
    deals = {
        row["deal_id"]: row
        for row in read_rows(pathlib.Path(whole["deals_file"]))
        if row["closed_date"] and row["outcome"] in ("Won", "Lost")
    }

    def tell(name: str, rows: list[dict]) -> list[dict]:
        if name == "deals":
            return [
                row | {"lost_reason": row["outcome"], "competitor": row["outcome"], "stage_probability": "0.5", "sales_cycle_days": "1"}
                if row["deal_id"] in deals
                else row
                for row in rows
            ]
        later = []
        for deal_id, deal in deals.items():
            try:
                datetime.date.fromisoformat(deal["closed_date"])
            except ValueError:
                continue
            at, won = f"{deal['closed_date']} 00:00:01", deal["outcome"] == "Won"
            if name == "field_history":
                later.append(
                    {"deal_id": deal_id, "field": "amount", "old_value": "", "new_value": "90000" if won else "90", "changed_at": at}
                )
                later.append({"deal_id": deal_id, "field": "sales_rep_id", "old_value": "", "new_value": deal["outcome"], "changed_at": at})
                later.append(
                    {"deal_id": deal_id, "field": "expected_close_date", "old_value": "", "new_value": "2099-01-01", "changed_at": at}
                )
            if name == "activities" and won:
                later.append({"deal_id": deal_id, "activity_type": "call", "occurred_at": at, "sales_rep_id": "R01"})
        return rows + later

    told = write_inputs(tmp_path / "told", tell)
    query = "select * from intermediate.int_score_observations order by deal_id, observation_date, purpose"
    one, other = (
        build(tmp_path / f"{name}.duckdb", files | {"as_of_date": "2025-12-31"}, "+int_score_observations").frame(query)
        for name, files in (("whole", whole), ("told", told))
    )
    assert len(one) > 15_000
    different = one.astype(str).compare(other.astype(str)) if one.shape == other.shape else None
    assert different is not None and different.empty, different


@pytest.mark.parametrize("kind", simulation.KINDS)
def test_simulated_crms(kind):
    """A small version of `python -m tools simulate scores`."""
    found = [simulation.simulate(kind, seed) for seed in (1, 2)]
    opened = [each["score_status"] in ("model", "table") for each in found]
    assert opened == [kind != "noise"] * 2
    if kind == "planted, no bad quarter":
        assert 0.85 < np.mean([each["calibration_slope"] for each in found]) < 1.15
        assert np.mean([each["score_fresh"] - each["score_aging"] for each in found]) > 0.2


def test_the_simulation_is_a_markdown_table():
    lines = list(csv.reader(simulation.run(1, 3, 1).splitlines(), delimiter="|"))
    assert len(lines) == 2 + len(simulation.KINDS) and len({len(line) for line in lines}) == 1
