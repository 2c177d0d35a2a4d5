"""The mathematics behind rpt_rep_performance against statsmodels and scipy, and the mart of the demo against pandas."""

import csv
import dataclasses

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import PROJECT, FakeDbt
from scipy.stats import chi2_contingency, false_discovery_control, norm, ttest_rel
from scipy.stats import t as student
from scipy.stats.mstats import winsorize
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from tools import crm
from tools.simulations import reps as simulation

reps = simulation.reps
SETTINGS = simulation.SETTINGS


def draw(seed, count=12, deals=2_000, spread=0.0, own=None):
    """A frame of deals (rep, region, size, won) whose reps have different regions, with `own` effects by rep."""
    rng = np.random.default_rng(seed)
    rep = rng.integers(0, count, deals)
    region = np.where(rng.random(deals) < 0.4, rep % 3, rng.integers(0, 3, deals))
    size = rng.integers(0, 4, deals)
    effect = spread * rng.standard_normal(count)
    for position, points in (own or {}).items():
        effect[position] += points
    chance = 0.35 + 0.1 * (region == 2) + 0.1 * (size == 1) + effect[rep]
    won = rng.random(deals) < np.clip(chance, 0.02, 0.98)
    frame = pd.DataFrame({"rep": rep, "region": region, "size": size, "won": won.astype(float)}).astype({"region": str, "size": str})
    return frame.assign(rep=[f"rep {each:02d}" for each in rep])


def grouped(frame, factors=("region", "size")):
    values = {name: frame[name].to_numpy(object) for name in factors}
    return reps.group(frame["rep"].to_numpy(object), values, frame["won"].to_numpy(), np.ones(len(frame)), SETTINGS.min_level_deals)


def oracle(frame, factors=("region", "size")):
    """The fit without reps, a row a deal, and columns of the reps."""
    dummies = pd.get_dummies(frame[list(factors)], drop_first=True, dtype=float) if factors else pd.DataFrame(index=frame.index)
    fit = sm.GLM(frame["won"], sm.add_constant(dummies, has_constant="add"), family=sm.families.Binomial()).fit(tol=1e-13)
    return fit, pd.get_dummies(frame["rep"], dtype=float)


# The funnel


def test_without_factors_it_is_the_pooled_z_test_against_all_others():
    frame = draw(1)
    frame["rep"] = np.random.default_rng(1).permutation(frame["rep"])
    rows = reps.funnel(*grouped(frame, ()), SETTINGS)
    won, count = frame.groupby("rep")["won"].sum(), frame.groupby("rep")["won"].count()
    for rep, row in rows.items():
        z, p_value = proportions_ztest([won[rep], won.sum() - won[rep]], [count[rep], count.sum() - count[rep]])
        np.testing.assert_allclose([row["z_score"], row["p_value"]], [z, p_value], rtol=1e-9)
        expected = count[rep] * won.sum() / count.sum()
        variance = expected * (1 - won.sum() / count.sum()) * (1 - count[rep] / count.sum())
        for name, level in (("inner", 0.95), ("outer", 0.998)):
            limits = (expected + np.array([-1, 1]) * norm.ppf((1 + level) / 2) * variance**0.5) / count[rep]
            np.testing.assert_allclose([row[f"funnel_{name}_lower"], row[f"funnel_{name}_upper"]], limits, rtol=1e-9)
    chi2 = chi2_contingency(np.array([won, count - won]), correction=False)
    assert {row["dispersion"] for row in rows.values()} == {1.0}
    np.testing.assert_allclose([row["family_p_value"] for row in rows.values()], chi2.pvalue, rtol=1e-9)


@pytest.mark.parametrize("seed", [2, 3])
def test_with_factors_it_is_the_score_test_of_statsmodels(seed):
    frame = draw(seed, own={0: 0.05})
    fit, columns = oracle(frame)
    rows = reps.funnel(*grouped(frame), SETTINGS)
    overall = frame["won"].mean()
    for rep, row in rows.items():
        chi2, p_value = (float(np.squeeze(each)) for each in fit.score_test(exog_extra=columns[[rep]])[:2])
        np.testing.assert_allclose([row["z_score"] ** 2, row["p_value"]], [chi2, p_value], rtol=1e-7, atol=1e-12)
        mine = frame["rep"] == rep
        won, count, expected = frame["won"][mine].sum(), mine.sum(), fit.fittedvalues[mine].sum()
        np.testing.assert_allclose(row["expected_won_deal_count"], expected, rtol=1e-9)
        np.testing.assert_allclose(row["risk_adjusted_win_rate"], won / expected * overall, rtol=1e-9)
        interval = np.array(proportion_confint(won, count, method="wilson")) * count / expected * overall
        np.testing.assert_allclose([row["risk_adjusted_lower"], row["risk_adjusted_upper"]], interval, rtol=1e-9)
        deviation = abs(won - expected) / np.sqrt(chi2)
        limits = (expected + np.array([-1, 1]) * norm.ppf(0.999) * deviation) / expected * overall
        np.testing.assert_allclose([row["funnel_outer_lower"], row["funnel_outer_upper"]], limits, rtol=1e-6)
    family = float(np.squeeze(fit.score_test(exog_extra=columns.iloc[:, 1:])[1]))
    np.testing.assert_allclose([row["family_p_value"] for row in rows.values()], family, rtol=1e-7)


def test_p_values_are_those_of_exact_matrices():
    """The same figures by plain dense algebra over single deals, to 1e-9."""
    frame = draw(4)
    fit, columns = oracle(frame)
    design, rate = fit.model.exog, fit.fittedvalues.to_numpy()
    for _ in range(3):  # to the last digit of the maximum
        weight = rate * (1 - rate)
        step = np.linalg.solve(design.T @ (design * weight[:, None]), design.T @ (frame["won"].to_numpy() - rate))
        rate = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + design @ step)))
    weight = rate * (1 - rate)
    rep = columns.to_numpy()
    across = rep.T @ (design * weight[:, None])
    covariance = np.diag(rep.T @ weight) - across @ np.linalg.solve(design.T @ (design * weight[:, None]), across.T)
    z = (rep.T @ (frame["won"].to_numpy() - rate)) / np.sqrt(np.diag(covariance))
    rows = reps.funnel(*grouped(frame), SETTINGS)
    np.testing.assert_allclose([row["z_score"] for row in rows.values()], z, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose([row["p_value"] for row in rows.values()], 2 * norm.sf(np.abs(z)), rtol=1e-9)
    overall, expected = frame["won"].mean(), rep.T @ rate
    upper = np.clip((expected + norm.ppf(0.975) * np.sqrt(np.diag(covariance))) / expected * overall, 0, 1)
    np.testing.assert_allclose([row["funnel_inner_upper"] for row in rows.values()], upper, rtol=1e-9)


def test_it_steps_down_and_refits_without_the_signals():
    frame = draw(5, count=20, deals=6_000, own={3: -0.2, 7: 0.2})
    rows = reps.funnel(*grouped(frame), SETTINGS)
    assert [rep for rep, row in rows.items() if row["verdict"] == "signal"] == ["rep 03", "rep 07"]
    left, floor = frame, 0.0
    while True:
        fit, columns = oracle(left)
        p_values = {rep: float(np.squeeze(fit.score_test(exog_extra=columns[[rep]])[1])) for rep in columns}
        rep = min(p_values, key=p_values.get)
        floor = max(floor, min(1.0, p_values[rep] * len(p_values)))
        # The homogeneity test comes first: no adjusted p value is below its.
        np.testing.assert_allclose(rows[rep]["adjusted_p_value"], max(floor, rows[rep]["family_p_value"]), rtol=1e-6)
        if floor > SETTINGS.fdr_level:
            break
        left = left[left["rep"] != rep]
    assert set(columns) == set(rows) - {"rep 03", "rep 07"}


def test_a_mix_that_is_easier_is_no_merit():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"rep": np.repeat([f"rep {each:02d}" for each in range(10)], 200)})
    easy = np.where(frame["rep"] == "rep 00", 0.9, 0.2)
    frame["region"] = np.where(rng.random(2_000) < easy, "easy", "hard")
    frame["size"] = "one"
    frame["won"] = (rng.random(2_000) < np.where(frame["region"] == "easy", 0.6, 0.3)).astype(float)
    assert reps.funnel(*grouped(frame, ()), SETTINGS)["rep 00"]["verdict"] == "signal"
    assert {row["verdict"] for row in reps.funnel(*grouped(frame), SETTINGS).values()} == {"no_signal"}


def test_dispersion_is_a_winsorised_variance_and_widens_the_funnel():
    z = np.random.default_rng(7).normal(0, 3, 21)
    expected = np.var(np.asarray(winsorize(z, limits=2 / 21)), ddof=1) / 0.68
    np.testing.assert_allclose(reps.dispersion(np.append(z, np.nan)), expected, rtol=1e-12)
    assert reps.dispersion(z[:9]) == 1.0 and reps.dispersion(z / 3) == 1.0
    outlier = np.append(np.random.default_rng(8).standard_normal(20), 30.0)
    assert reps.dispersion(outlier) == 1.0
    rows = reps.funnel(*grouped(draw(9, count=20, deals=8_000, spread=0.12)), SETTINGS)
    row = rows["rep 00"]
    assert row["dispersion"] > 3 and row["family_p_value"] < 1e-6
    assert {row["verdict"] for row in rows.values()} == {"no_signal"}
    limit = norm.ppf(0.975) * abs(row["won_deal_count"] - row["expected_won_deal_count"]) / abs(row["z_score"])
    upper = (row["expected_won_deal_count"] + limit) / row["expected_won_deal_count"] * row["overall_win_rate"]
    np.testing.assert_allclose(row["funnel_inner_upper"], upper, rtol=1e-9)


def test_chance_exceeds_the_dispersion_that_counts_in_one_of_a_hundred():
    rng = np.random.default_rng(10)
    for count in (10, 20, 100):
        assert np.mean([reps.dispersion(rng.standard_normal(count)) > 1 for _ in range(2_000)]) < 0.025


def test_who_cannot_be_judged_says_why():
    frame = draw(11, count=5)
    frame.loc[frame["rep"] == "rep 04", "region"] = "far"  # nobody else sells there
    frame = pd.concat([frame, frame[frame["rep"] == "rep 00"].head(29).assign(rep="young")])
    rows = reps.funnel(*grouped(frame), SETTINGS)
    assert (rows["young"]["verdict"], rows["young"]["missing_reason"]) == ("insufficient_n", "too few closed deals")
    alone = rows["rep 04"]
    assert (alone["verdict"], alone["missing_reason"]) == ("not_computable", "can't be told apart from the factors of the deals")
    assert np.isnan(alone["z_score"]) and np.isnan(alone["funnel_inner_lower"]) and alone["win_rate_lower"] < alone["win_rate_upper"]
    assert rows["rep 00"]["judged_rep_count"] == 4
    for outcome, reason in ((0.0, "no deal was won"), (1.0, "no deal was lost")):
        rows = reps.funnel(*grouped(frame.assign(won=outcome)), SETTINGS)
        assert {(row["verdict"], row["missing_reason"]) for row in rows.values()} == {("not_computable", reason)}
    few = frame.assign(won=(np.arange(len(frame)) % 150 == 0).astype(float))
    assert "too few won or lost deals are expected" in {row["missing_reason"] for row in reps.funnel(*grouped(few), SETTINGS).values()}


# Said and won


def forecast(seed, deals=80, dates=12):
    rng = np.random.default_rng(seed)
    amount = np.exp(rng.normal(9, 0.8, deals)) * rng.integers(1, 5, deals)
    said, won = amount * rng.choice([0.1, 0.25, 0.5, 0.75], deals), amount * (rng.random(deals) < 0.4)
    sums = (dates, deals, int((won > 0).sum()), said.sum(), won.sum(), (said**2).sum(), (won**2).sum(), (said * won).sum())
    return said, won, dict(zip(reps.SUMS, sums, strict=True))


def test_the_bias_is_judged_by_a_paired_t_test_and_its_inversion():
    for seed in range(30):
        said, won, sums = forecast(seed)
        found, freedom = reps.bias(sums, SETTINGS), (won > 0).sum() - 1
        t_value = ttest_rel(said, won).statistic
        np.testing.assert_allclose(found["forecast_bias_p_value"], 2 * student.sf(abs(t_value), freedom), rtol=1e-9)
        np.testing.assert_allclose(found["forecast_bias_rate"], said.sum() / won.sum() - 1, rtol=1e-12)
        for end, side in (("lower", 1), ("upper", -1)):
            ratio = 1 + found[f"forecast_bias_{end}"]
            np.testing.assert_allclose(ttest_rel(said, ratio * won).statistic, side * student.ppf(0.975, freedom), rtol=1e-9)


def test_biases_are_judged_together():
    found = reps.biases({f"rep {seed}": forecast(seed)[2] for seed in range(6)}, SETTINGS)
    p_values = [each["forecast_bias_p_value"] for each in found.values()]
    np.testing.assert_allclose([each["forecast_bias_q_value"] for each in found.values()], false_discovery_control(p_values))
    verdicts = ["signal" if q_value <= 0.05 else "no_signal" for q_value in false_discovery_control(p_values)]
    assert [each["forecast_bias_verdict"] for each in found.values()] == verdicts
    sums = forecast(1)[2]
    assert reps.bias(sums | {"forecast_deal_count": 29}, SETTINGS)["forecast_bias_verdict"] == "insufficient_n"
    assert reps.bias(sums | {"forecast_date_count": 7}, SETTINGS)["forecast_bias_verdict"] == "insufficient_n"
    assert reps.bias(forecast(1, 31)[2] | {"forecast_won_deal_count": 2}, SETTINGS)["forecast_bias_verdict"] == "insufficient_n"  # no end
    assert reps.bias(sums | {"realised_amount": 0}, SETTINGS) == {"forecast_bias_verdict": "not_computable"}


def test_the_share_on_time_has_wilsons_interval():
    interval = reps.on_time(80, 33, SETTINGS)
    np.testing.assert_allclose(list(interval.values()), proportion_confint(33, 80, method="wilson"), rtol=1e-9)


# Whole


def test_the_table_is_typed_and_holds_with_and_without_deals():
    connection = duckdb.connect()
    cells = connection.sql("""
        select 'R' || rep as sales_rep_id, 'X' as region, '2024, half-year' as creation_period, 50::bigint as closed_deal_count, (20 + rep)::bigint as won_deal_count
        from range(4) as reps (rep)
    """)
    sums = connection.sql("""
        select 'R9' as sales_rep_id, 9 as forecast_date_count, 40 as forecast_deal_count, 20 as forecast_won_deal_count, 90.0 as forecast_amount,
            80.0 as realised_amount, 300.0::double as squared_forecast_amount, 400.0::double as squared_realised_amount, 310.0::double as crossed_amount
    """)
    dates = connection.sql("select 'R0' as sales_rep_id, 10 as dated_deal_count, 4 as on_time_deal_count, 1.5 as median_slip_days")
    relations = {"int_rep_cells": cells, "int_rep_forecasts": sums, "int_rep_close_dates": dates}
    full = reps.model(FakeDbt(dataclasses.asdict(SETTINGS), **relations), None)
    empty = reps.model(FakeDbt(dataclasses.asdict(SETTINGS), **{name: each.filter("false") for name, each in relations.items()}), None)
    assert full.schema == empty.schema and (len(full), len(empty)) == (5, 0)
    rows = {row["sales_rep_id"]: row for row in full.to_pylist()}
    assert [row["verdict"] for row in rows.values()] == ["no_signal"] * 4 + [None]
    assert rows["R9"]["forecast_bias_rate"] == 0.125 and rows["R9"]["closed_deal_count"] is None
    assert rows["R0"]["on_time_rate_lower"] < 0.4 < rows["R0"]["on_time_rate_upper"] and rows["R1"]["on_time_rate_lower"] is None


def test_simulated_crms():
    """A small version of `python -m tools simulate reps`; each CRM of 5,000 deals has 234 closed deals a rep."""
    found = [simulation.one_crm(seed, 5_000, crm.PLANTED)["signals"] for seed in range(500, 560)]
    for rep in ("R07", "R14"):
        assert np.mean([rep in each for each in found]) >= 0.8
    assert np.mean([bool(each - {"R07", "R14"}) for each in found]) <= 0.1
    noise = [simulation.one_crm(seed, 3_000, crm.NO_EFFECTS)["signals"] for seed in range(60)]
    assert np.mean([bool(each) for each in noise]) <= 0.1
    table = simulation.run(2, 1, 1, kinds=("nothing planted",), sizes=(1_000,)).splitlines()
    assert len(table) == 3 and {line.count("|") for line in table} == {8}


@pytest.fixture(scope="module")
def mart(demo):
    return demo.frame("select * from marts.rpt_rep_performance order by sales_rep_id").set_index("sales_rep_id")


def read(name):
    with (PROJECT / "seeds" / "demo" / f"demo_{name}.csv").open(encoding="utf-8", newline="") as file:
        return pd.DataFrame(list(csv.DictReader(file)))


def test_each_deal_is_one_reps(demo, mart):
    closed, won, open_deals = demo.query(
        "select count(*) filter (not is_open), count(*) filter (is_won), count(*) filter (is_open) from marts.fct_deals"
    )[0]
    assert (mart["closed_deal_count"].sum(), mart["won_deal_count"].sum(), mart["open_deal_count"].sum()) == (closed, won, open_deals)
    # Maximum likelihood expects as many wins as there were.
    assert mart["expected_won_deal_count"].sum() == pytest.approx(won, rel=1e-9)
    raw, value, at_risk = demo.query(
        "select raw_amount, rapv_amount, revenue_at_risk_amount from marts.rpt_pipeline_value where segment_dimension = 'all'"
    )[0]
    sums = mart[["open_amount", "rapv_amount", "revenue_at_risk_amount"]].astype(float).sum()
    np.testing.assert_allclose(sums, [float(raw), value, at_risk], rtol=1e-9)


def test_win_rates_are_those_of_the_segments(demo, mart):
    segments = demo.frame("""
        select * from marts.rpt_segment_win_rates where segment_dimension = 'sales_rep_id' and period = 'all' order by segment_value
    """).set_index("segment_value")
    same = ["closed_deal_count", "won_deal_count", "win_rate", "win_rate_lower", "win_rate_upper", "shrunk_win_rate"]
    pd.testing.assert_frame_equal(mart[same], segments[same], check_names=False, rtol=1e-9)


def test_what_was_said_adds_up_to_the_backtest(demo, mart):
    said, won = demo.query("""
        select sum(forecast_amount), sum(realised_amount) from marts.rpt_pipeline_value_backtest where method = 'stage_weighted' and is_evaluable
    """)[0]
    assert float(mart["forecast_amount"].sum()) == pytest.approx(said, abs=0.01 * mart["forecast_deal_count"].sum() * 4)
    assert mart["realised_amount"].sum() == won
    assert (
        mart["forecast_date_count"].max()
        == demo.query("select count(*) from marts.rpt_pipeline_value_backtest where method = 'stage_weighted' and is_evaluable")[0][0]
    )


def test_slips_are_those_of_the_first_date_said(demo, mart):
    history = read("field_history").query("field == 'expected_close_date'").sort_values(["deal_id", "changed_at"])
    first = history.groupby("deal_id").first()
    first = first["old_value"].where(first["old_value"] != "", first["new_value"])
    deals = demo.frame("select deal_id, sales_rep_id, closed_date, expected_close_date from marts.fct_deals where not is_open").set_index(
        "deal_id"
    )
    said = pd.to_datetime(first.reindex(deals.index)).fillna(deals["expected_close_date"])
    slip = (deals["closed_date"] - said).dt.days.dropna()
    by_rep = slip.groupby(deals["sales_rep_id"])
    assert by_rep.count().to_dict() == mart["dated_deal_count"].to_dict()
    assert by_rep.apply(lambda days: (days <= 0).sum()).to_dict() == mart["on_time_deal_count"].to_dict()
    assert by_rep.median().to_dict() == mart["median_slip_days"].to_dict()
