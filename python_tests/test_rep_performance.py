"""The mathematics behind rpt_rep_performance against statsmodels and scipy, and the mart of the demo against pandas."""

import csv
import dataclasses

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import PROJECT, FakeDbt
from scipy.stats import false_discovery_control, norm, ttest_rel
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from models.reps import ml_rep_forecasts as forecasts
from tools.simulations import reps as simulation
from tools.simulations.settings import model_settings

reps = simulation.reps
SETTINGS = simulation.SETTINGS
FORECAST_SETTINGS = forecasts.Settings(**model_settings("ml_rep_forecasts"))
LEVEL = 0.05


def draw(seed, count=12, deals=2_000, own=None, nested=False):
    """A frame of deals (rep, region, size, account, won) whose reps have different regions, with `own` effects by rep."""
    rng = np.random.default_rng(seed)
    rep = rng.integers(0, count, deals)
    region = rep % 3 if nested else np.where(rng.random(deals) < 0.4, rep % 3, rng.integers(0, 3, deals))
    size = rng.integers(0, 4, deals)
    effect = np.zeros(count)
    for position, points in (own or {}).items():
        effect[position] += points
    chance = 0.35 + 0.1 * (region == 2) + 0.1 * (size == 1) + effect[rep]
    won = rng.random(deals) < np.clip(chance, 0.02, 0.98)
    frame = pd.DataFrame({"region": region, "size": size, "account": np.arange(deals), "won": won.astype(float)})
    return frame.astype({"region": str, "size": str}).assign(rep=[f"rep {each:02d}" for each in rep])


def tables(frame, factors=("region", "size")):
    """Cells and accounts, a row a deal and a row an account."""
    cells = {"sales_rep_id": frame["rep"], "closed_deal_count": np.ones(len(frame)), "won_deal_count": frame["won"]}
    cells |= {name: frame[name] for name in factors}
    accounts = frame.groupby(["rep", "region", "account"])["won"].agg(["size", "sum"]).reset_index()
    accounts = {"sales_rep_id": accounts["rep"], "region": accounts["region"], "closed_deal_count": accounts["size"]} | {
        "won_deal_count": accounts["sum"],
        "account_count": np.ones(len(accounts)),
    }
    return {name: np.asarray(each) for name, each in cells.items()}, {name: list(each) for name, each in accounts.items()}


def judge(frame, factors=("region", "size"), level=LEVEL):
    return {row["sales_rep_id"]: row for row in reps.judge(*tables(frame, factors), SETTINGS, level)}


def oracle(frame, factors=("region", "size")):
    """The fit without reps, a row a deal, and columns of the reps."""
    dummies = pd.get_dummies(frame[list(factors)], drop_first=True, dtype=float) if factors else pd.DataFrame(index=frame.index)
    fit = sm.GLM(frame["won"], sm.add_constant(dummies, has_constant="add"), family=sm.families.Binomial()).fit(tol=1e-13)
    return fit, pd.get_dummies(frame["rep"], dtype=float)


def signals(rows):
    return {rep for rep, row in rows.items() if row["verdict"] == "signal"}


# Win rates


def test_without_factors_it_is_the_pooled_z_test_against_the_others():
    frame = draw(1)
    frame["rep"] = np.random.default_rng(1).permutation(frame["rep"])
    rows = judge(frame, ())
    won, count = frame.groupby("rep")["won"].sum(), frame.groupby("rep")["won"].count()
    assert signals(rows) == set()
    for rep, row in rows.items():
        others = (won.sum() - won[rep], count.sum() - count[rep])
        z, p_value = proportions_ztest([won[rep], others[0]], [count[rep], others[1]])
        np.testing.assert_allclose([row["z_score"], row["p_value"]], [z, p_value], rtol=1e-9)
        assert (row["reference_won_deal_count"], row["reference_deal_count"], row["reference_rep_count"]) == (*others, 11)
        rates = [won[rep] / count[rep], others[0] / others[1]]
        np.testing.assert_allclose([row["risk_adjusted_win_rate"], row["reference_win_rate"]], rates, rtol=1e-9)
        np.testing.assert_allclose(row["vs_reference_difference"], rates[0] - rates[1], rtol=1e-9)
        np.testing.assert_allclose(row["expected_won_deal_count"], count[rep] * rates[1], rtol=1e-9)
        # Twelve reps: Benjamini-Hochberg, whose level without a signal is that of the first.
        reach = norm.ppf(1 - LEVEL / 12 / 2) * abs(row["vs_reference_difference"] / z)
        np.testing.assert_allclose(row["vs_reference_upper"] - row["vs_reference_difference"], reach, rtol=1e-9)
        found = (norm.ppf(1 - LEVEL / 12 / 2) + norm.ppf(0.8)) * abs(row["vs_reference_difference"] / z)
        np.testing.assert_allclose(row["detectable_difference"], found, rtol=1e-9)


@pytest.mark.parametrize("seed", [2, 3])
def test_with_factors_it_is_the_score_test_of_statsmodels(seed):
    frame = draw(seed, own={0: 0.05})
    fit, columns = oracle(frame)
    rows = judge(frame, level=1e-4)
    assert signals(rows) == set() and {row["rep_group"] for row in rows.values()} == {"all"}
    rate = fit.fittedvalues.to_numpy()
    for rep, row in rows.items():
        chi2, p_value = (float(np.squeeze(each)) for each in fit.score_test(exog_extra=columns[[rep]])[:2])
        np.testing.assert_allclose([row["z_score"] ** 2, row["p_value"]], [chi2, p_value], rtol=1e-7, atol=1e-12)
        # Newton's first step from no effect of the rep, as a difference of rates about the mean spread of the deals.
        mine = (frame["rep"] == rep).to_numpy()
        residual = (frame["won"][mine] - rate[mine]).sum()
        step = chi2 / residual
        np.testing.assert_allclose(row["vs_reference_difference"], step * np.mean(rate * (1 - rate)), rtol=1e-6)
        expected = frame["won"][mine].sum() - step * np.sum(rate[mine] * (1 - rate[mine]))
        np.testing.assert_allclose(row["expected_won_deal_count"], expected, rtol=1e-6)


def test_difference_is_near_that_of_a_fit_with_the_rep():
    """With the deals held equal, by the marginal rates of statsmodels' fit with the rep's effect."""
    frame = draw(4, deals=6_000, own={5: -0.15})
    fit, columns = oracle(frame)
    design = np.column_stack([fit.model.exog, columns["rep 05"]])
    coefficients = sm.GLM(frame["won"], design, family=sm.families.Binomial()).fit().params
    with_rep, without = ((1 / (1 + np.exp(-(fit.model.exog @ coefficients[:-1] + shift)))).mean() for shift in (coefficients.iloc[-1], 0))
    assert judge(frame)["rep 05"]["vs_reference_difference"] == pytest.approx(with_rep - without, abs=0.01)


def test_those_who_stand_out_leave_and_all_are_compared_with_the_others():
    frame = draw(5, count=20, deals=6_000, own={3: -0.2, 7: 0.2})
    rows = judge(frame)
    assert signals(rows) == {"rep 03", "rep 07"}
    for rep, row in rows.items():
        reference = sorted(set(rows) - {"rep 03", "rep 07", rep})
        assert row["reference_reps"] == ", ".join(reference[:4]) + f" and {len(reference) - 4} more" and row["reference_rep_count"] == len(
            reference
        )
        assert row["is_in_reference"] == (rep not in {"rep 03", "rep 07"})
        fit, columns = oracle(frame[frame["rep"].isin([*reference, rep])])
        p_value = float(np.squeeze(fit.score_test(exog_extra=columns[[rep]])[1]))
        np.testing.assert_allclose(row["p_value"], p_value, rtol=1e-6)


def test_territories_are_compared_inside_and_region_effects_flag_nobody():
    frame = draw(6, count=9, deals=4_000, nested=True)
    low = frame["region"] == "1"
    frame.loc[low, "won"] *= np.random.default_rng(6).random(low.sum()) < 0.5
    rows = judge(frame)
    assert signals(rows) == set()
    assert {rep: row["rep_group"] for rep, row in rows.items()} == {f"rep {each:02d}": str(each % 3) for each in range(9)}
    assert rows["rep 00"]["reference_reps"] == "rep 03, rep 06" and rows["rep 00"]["judged_rep_count"] == 3
    # Three groups of three share the level.
    adjusted = {rep: min(1, 3 * row["p_value"]) for rep, row in rows.items()}
    assert {rep: row["adjusted_p_value"] for rep, row in rows.items()} == pytest.approx(adjusted)
    assert signals(judge(draw(6, count=9, deals=4_000, own={4: -0.2}, nested=True))) == {"rep 04"}


def test_two_reps_of_a_region_are_one_contrast():
    frame = draw(7, count=6, deals=2_400, own={1: -0.2}, nested=True)
    rows = judge(frame)
    assert signals(rows) == {"rep 01", "rep 04"}
    for rep in range(3):
        one, other = rows[f"rep {rep:02d}"], rows[f"rep {rep + 3:02d}"]
        for name in ("vs_reference_difference", "z_score", "shrunk_vs_reference_difference"):
            assert one[name] == pytest.approx(-other[name])
        assert (one["vs_reference_lower"], one["p_value"]) == pytest.approx((-other["vs_reference_upper"], other["p_value"]))
        assert (one["risk_adjusted_win_rate"], one["reference_win_rate"]) == pytest.approx(
            (other["reference_win_rate"], other["risk_adjusted_win_rate"])
        )
        assert one["adjusted_p_value"] == one["p_value"] and one["reference_reps"] == other["sales_rep_id"]


def test_a_rep_alone_in_a_region_is_not_judged():
    frame = draw(8, count=5, nested=True)
    rows = judge(frame)
    assert (rows["rep 02"]["rep_group"], rows["rep 02"]["verdict"]) == ("2", "not_computable")
    assert rows["rep 02"]["missing_reason"] == "there is no other rep with enough deals in the region, so it can't be told from the region"
    assert "vs_reference_difference" not in rows["rep 02"] and {row["verdict"] for row in rows.values()} == {"not_computable", "no_signal"}
    alone = judge(frame.assign(rep="rep 00"))["rep 00"]
    assert (alone["verdict"], alone["missing_reason"]) == ("not_computable", "there is no other rep with enough deals")


def test_regions_are_groups_where_nine_of_ten_deals_lie_in_their_reps():
    frame = draw(9, count=6, deals=3_000, nested=True)
    for share, regions in ((0.08, {"0", "1", "2"}), (0.12, {"all"})):
        moved = np.random.default_rng(9).permutation(len(frame)) < share * len(frame)
        away = frame.assign(region=np.where(moved, ((frame["region"].astype(int) + 1) % 3).astype(str), frame["region"]))
        assert {row["rep_group"] for row in judge(away).values()} == regions


def test_a_mix_that_is_easier_is_no_merit():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"rep": np.repeat([f"rep {each:02d}" for each in range(10)], 200)})
    easy = np.where(frame["rep"] == "rep 00", 0.9, 0.2)
    frame["kind"] = np.where(rng.random(2_000) < easy, "easy", "hard")
    frame = frame.assign(region="one", account=np.arange(2_000))
    frame["won"] = (rng.random(2_000) < np.where(frame["kind"] == "easy", 0.6, 0.3)).astype(float)
    assert judge(frame, ())["rep 00"]["verdict"] == "signal"
    assert {row["verdict"] for row in judge(frame, ("kind",)).values()} == {"no_signal"}


def test_deals_of_one_account_count_as_many_as_they_are_worth():
    """Each account of five deals wins all or none, so its deals are one: figures are those of a fifth of the deals."""
    single = draw(10, count=6, deals=1_500)
    five = pd.concat([single] * 5)
    one, worth = judge(single, ()), judge(five, ())
    for rep, row in worth.items():
        assert (row["account_count"], row["closed_deal_count"]) == (one[rep]["closed_deal_count"], 5 * one[rep]["closed_deal_count"])
        assert row["design_effect"] == pytest.approx(5, rel=1e-6)
        for name in ("vs_reference_difference", "vs_reference_lower", "z_score", "shrunk_vs_reference_difference"):
            assert row[name] == pytest.approx(one[rep][name], rel=1e-6)
        assert row["expected_won_deal_count"] == pytest.approx(5 * one[rep]["expected_won_deal_count"], rel=1e-6)
    few = five[five["account"].isin(single[single["rep"] == "rep 00"]["account"].head(7)) | (five["rep"] != "rep 00")]
    assert judge(few)["rep 00"]["missing_reason"] == "too few accounts"


def test_who_cannot_be_judged_says_why():
    frame = draw(11, count=5)
    frame["product"] = np.where(frame["rep"] == "rep 04", "far", "near")  # nobody else sells it
    frame = pd.concat([frame, frame[frame["rep"] == "rep 00"].head(29).assign(rep="young")])
    factors = ("region", "size", "product")
    rows = judge(frame, factors)
    assert (rows["young"]["verdict"], rows["young"]["missing_reason"]) == ("insufficient_n", "too few closed deals")
    alone = rows["rep 04"]
    assert (alone["verdict"], alone["missing_reason"]) == ("not_computable", "can't be told apart from the factors of the deals")
    assert "z_score" not in alone and alone["win_rate_lower"] < alone["win_rate_upper"]
    assert rows["rep 00"]["judged_rep_count"] == 4
    for outcome, reason in ((0.0, "no deal was won"), (1.0, "no deal was lost")):
        rows = judge(frame.assign(won=outcome), factors)
        assert {(row["verdict"], row["missing_reason"]) for row in rows.values()} == {("not_computable", reason)}
    few = frame.assign(won=(np.arange(len(frame)) % 150 == 0).astype(float))
    assert "too few won or lost deals to expect" in {row["missing_reason"] for row in judge(few, factors).values()}


def random_crm(rng):
    """2 to 40 reps in 1 to 8 regions, none to all of whom differ, with territories or without, and one to many deals an account."""
    count, regions, deals = rng.integers(2, 41), rng.integers(1, 9), rng.integers(100, 3_000)
    rep = rng.integers(0, count, deals)
    region = np.where(rng.random(deals) < rng.choice([0, 0.05, 1]), rng.integers(0, regions, deals), rep % regions)
    kind = rng.integers(0, 3, deals)
    own = rng.normal(0, 0.1, count) * (rng.random(count) < rng.random())
    chance = rng.uniform(0.05, 0.5) + own[rep] + 0.05 * (kind == 1) + rng.normal(0, 0.05, regions)[region]
    won = rng.random(deals) < np.clip(chance, 0.01, 0.99)
    frame = pd.DataFrame({"rep": rep, "region": region, "kind": kind, "account": rng.integers(0, deals // rng.integers(1, 6) + 1, deals)})
    return frame.assign(won=won.astype(float)).astype({"rep": str, "region": str, "kind": str})


def test_verdict_interval_direction_and_p_value_agree_in_random_crms():
    rng, judged, found = np.random.default_rng(12), 0, 0
    for _ in range(300):
        level = float(rng.choice([0.01, 0.02, 0.05]))
        rows = judge(random_crm(rng), ("region", "kind")[: rng.integers(0, 3)], level)
        groups = {row["rep_group"] for row in rows.values() if "p_value" in row}
        for row in rows.values():
            if row["verdict"] not in ("signal", "no_signal"):
                assert row["missing_reason"] and "p_value" not in row
                continue
            is_signal, low, high = row["verdict"] == "signal", row["vs_reference_lower"], row["vs_reference_upper"]
            judged, found = judged + 1, found + is_signal
            assert is_signal == (row["adjusted_p_value"] <= level / len(groups)) == (low > 0 or high < 0)
            assert low <= row["vs_reference_difference"] <= high and low <= row["shrunk_vs_reference_difference"] <= high
            adjusted_less_reference = row["risk_adjusted_win_rate"] - row["reference_win_rate"]
            signs = {np.sign(round(each, 9)) for each in (row["vs_reference_difference"], row["z_score"], adjusted_less_reference)}
            assert len(signs) == 1 and row["shrunk_vs_reference_difference"] * row["vs_reference_difference"] >= 0
            assert np.sign(round(row["won_deal_count"] - row["expected_won_deal_count"], 6)) in {*signs, 0.0}
            assert row["reference_rep_count"] >= 1 and row["p_value_threshold"] == level / len(groups)
            if row["judged_rep_count"] == 2:
                assert rows[row["reference_reps"]]["verdict"] == row["verdict"]
    assert judged > 2_000 and found > 100


# Said and won


def forecast(seed, deals=80, dates=12):
    rng = np.random.default_rng(seed)
    amount = np.exp(rng.normal(9, 0.8, deals)) * rng.integers(1, 5, deals)
    said, won = amount * rng.choice([0.1, 0.25, 0.5, 0.75], deals), amount * (rng.random(deals) < 0.4)
    sums = (dates, deals, int((won > 0).sum()), said.sum(), won.sum(), (said**2).sum(), (won**2).sum(), (said * won).sum())
    return said, won, dict(zip(forecasts.SUMS, sums, strict=True))


def test_the_bias_is_judged_by_a_paired_t_test_and_its_inversion():
    for seed in range(30):
        said, won, sums = forecast(seed)
        found, freedom = forecasts.biases({"rep": sums}, FORECAST_SETTINGS, LEVEL)["rep"], (won > 0).sum() - 1
        t_value = ttest_rel(said, won).statistic
        np.testing.assert_allclose(found["forecast_bias_p_value"], 2 * student.sf(abs(t_value), freedom), rtol=1e-9)
        np.testing.assert_allclose(found["forecast_bias_rate"], said.sum() / won.sum() - 1, rtol=1e-12)
        for end, side in (("lower", 1), ("upper", -1)):
            ratio = 1 + found[f"forecast_bias_{end}"]
            np.testing.assert_allclose(ttest_rel(said, ratio * won).statistic, side * student.ppf(0.975, freedom), rtol=1e-9)


def test_biases_are_judged_together_and_their_intervals_agree():
    for first, count in ((0, 6), (40, 2), (50, 20)):
        found = forecasts.biases({f"rep {seed}": forecast(seed)[2] for seed in range(first, first + count)}, FORECAST_SETTINGS, LEVEL)
        p_values = np.array([each["forecast_bias_p_value"] for each in found.values()])
        adjusted = np.minimum(1, p_values * (1 if count == 2 else count)) if count < 12 else false_discovery_control(p_values)
        np.testing.assert_allclose([each["forecast_bias_adjusted_p_value"] for each in found.values()], adjusted)
        for each in found.values():
            is_signal = each["forecast_bias_verdict"] == "signal"
            assert is_signal == (each["forecast_bias_adjusted_p_value"] <= LEVEL)
            if np.isfinite(each["forecast_bias_upper"]):
                assert is_signal == (each["forecast_bias_lower"] > 0 or each["forecast_bias_upper"] < 0)


def test_too_little_was_said_or_won():
    def verdict(sums):
        return forecasts.biases({"rep": sums}, FORECAST_SETTINGS, LEVEL)["rep"]["forecast_bias_verdict"]

    sums = forecast(1)[2]
    assert verdict(sums | {"forecast_deal_count": 29}) == "insufficient_n"
    assert verdict(sums | {"forecast_date_count": 7}) == "insufficient_n"
    assert verdict(forecast(1, 31)[2] | {"forecast_won_deal_count": 2}) == "insufficient_n"  # no end
    assert verdict(sums | {"realised_amount": 0}) == "not_computable"


def test_the_share_on_time_has_wilsons_interval():
    interval = forecasts.on_time(80, 33, FORECAST_SETTINGS)
    np.testing.assert_allclose(list(interval.values()), proportion_confint(33, 80, method="wilson"), rtol=1e-9)


# Whole


def test_the_tables_are_typed_and_hold_with_and_without_deals():
    connection = duckdb.connect()
    relations = {
        "int_rep_cells": connection.sql("""
            select 'R' || rep as sales_rep_id, 'X' as region, '2024, half-year' as creation_period, 50::bigint as closed_deal_count, (20 + rep)::bigint as won_deal_count
            from range(4) as reps (rep)
        """),
        "int_rep_accounts": connection.sql("""
            select 'R' || rep as sales_rep_id, 'X' as region, 1::bigint as closed_deal_count, won::bigint as won_deal_count,
                (case won when 1 then 20 + rep else 30 - rep end)::bigint as account_count
            from range(4) as reps (rep), range(2) as wins (won)
        """),
        "int_verdict_level": connection.sql("select 0.05::double as fdr_level"),
        "int_rep_forecasts": connection.sql("""
            select 'R9' as sales_rep_id, 9 as forecast_date_count, 40 as forecast_deal_count, 20 as forecast_won_deal_count, 90.0 as forecast_amount,
                80.0 as realised_amount, 300.0::double as squared_forecast_amount, 400.0::double as squared_realised_amount, 310.0::double as crossed_amount
        """),
        "int_rep_close_dates": connection.sql(
            "select 'R0' as sales_rep_id, 10 as dated_deal_count, 4 as on_time_deal_count, 1.5 as median_slip_days"
        ),
    }
    without = {name: each if name == "int_verdict_level" else each.filter("false") for name, each in relations.items()}
    found = {}
    for module, settings, count in ((reps, SETTINGS, 4), (forecasts, FORECAST_SETTINGS, 2)):
        full, empty = (module.model(FakeDbt(dataclasses.asdict(settings), **each), None) for each in (relations, without))
        assert full.schema == empty.schema and (len(full), len(empty)) == (count, 0)
        found |= {(module, row["sales_rep_id"]): row for row in full.to_pylist()}
    assert {row["verdict"] for (module, _), row in found.items() if module is reps} == {"no_signal"}
    assert found[forecasts, "R9"]["forecast_bias_rate"] == 0.125 and found[forecasts, "R9"]["on_time_rate_lower"] is None
    assert found[forecasts, "R0"]["on_time_rate_lower"] < 0.4 < found[forecasts, "R0"]["on_time_rate_upper"]


def test_simulated_crms():
    """A small version of `python -m tools simulate reps`; each CRM of the demo's kind has 234 closed deals a rep."""

    def flagged(kind, deals, crms=60):
        return [simulation.one_crm(seed, deals, simulation.KINDS[kind])["signals"] for seed in range(500, 500 + crms)]

    found = flagged("planted as in the demo", 5_000)
    for rep in ("R07", "R14"):
        assert np.mean([rep in each for each in found]) >= 0.8
    assert np.mean([bool(each - {"R07", "R14"}) for each in found]) <= 0.1
    assert np.mean([bool(each) for each in flagged("nothing planted", 3_000)]) <= 0.1
    # With territories: the contrast of the two reps of a region is found, and nobody of another region is.
    found = flagged("2 reps a region, R01 20 points lower", 3_500)
    assert np.mean(["R01" in each for each in found]) >= 0.8 and np.mean([bool(each - {"R01", "R02"}) for each in found]) <= 0.1
    assert np.mean([bool(each) for each in flagged("3 reps a region, one region 15 points lower", 1_400)]) <= 0.1
    assert np.mean([bool(each) for each in flagged("3 reps a region, 8 deals an account", 1_400)]) <= 0.1
    table = simulation.run(2, 1, 1, kinds=("nothing planted", "2 reps a region, R01 20 points lower"), sizes=(1_000,)).splitlines()
    assert len(table) == 4 and {line.count("|") for line in table} == {7}


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
    # More wins than expected of the same deals is a win rate above that of the others.
    assert ((mart["won_deal_count"] > mart["expected_won_deal_count"]) == (mart["vs_reference_difference"] > 0)).all()
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
    [(said, won, dates)] = demo.query("""
        select sum(forecast_amount), sum(realised_amount), count(*)
        from marts.rpt_pipeline_value_backtest cross join intermediate.int_closing_bounds
        where method = 'stage_weighted' and forecast_date <= mature_until_date
    """)
    assert float(mart["forecast_amount"].sum()) == pytest.approx(said, abs=0.01 * mart["forecast_deal_count"].sum() * 4)
    assert mart["realised_amount"].sum() == won
    assert mart["forecast_date_count"].max() == dates


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
