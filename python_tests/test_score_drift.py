"""PSI of the open deals and its no-drift distribution, against scipy, naive sums and simulation."""

import numpy as np
import pytest
from scipy import stats

from tools.simulations import drift as simulation

model = simulation.model
SETTINGS = {"min_deals": 30, "confidence_level": 0.95, "fdr_level": 0.05}


def sides(now: list[int], then: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of deals that are seen once: index, is it of now, level."""
    codes = np.repeat(np.tile(np.arange(len(now)), 2), [*now, *then])
    return np.arange(len(codes)), np.arange(len(codes)) < sum(now), codes


def test_psi_by_hand():
    assert model.stability(np.array([60, 40]), np.array([50, 50])) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))
    assert model.stability(np.array([100, 0]), np.array([50, 50])) == pytest.approx(0.5 * np.log(2) + (0.005 - 0.5) * np.log(0.01))


def test_deals_seen_once_have_the_known_chi_square():
    """(1 / n + 1 / m) chi2 with values - 1 degrees of freedom, as the shares of both sides are the same."""
    deal, is_now, codes = sides([100, 60, 40], [500, 300, 200])
    found = model.no_drift(deal, is_now, codes, (np.array([100, 60, 40]), np.array([500, 300, 200])), 0.95, 0.02)
    scale = 1 / 200 + 1 / 1000
    assert found["no_drift_psi"] == pytest.approx(2 * scale, rel=1e-12)
    assert found["no_drift_psi_upper"] == pytest.approx(scale * stats.chi2.ppf(0.95, 2), rel=1e-9)
    assert found["p_value"] == pytest.approx(stats.chi2.sf(0.02 / scale, 2), rel=1e-9)


def test_mean_and_variance_of_the_no_drift_distribution_are_those_of_naive_sums():
    """With deals in several pipelines, from the covariance matrix summed deal by deal."""
    rng = np.random.default_rng(1)
    deal = np.sort(rng.integers(0, 120, 400))
    is_now = np.r_[True, deal[1:] != deal[:-1]] & (rng.random(400) < 0.6)
    deal = np.unique(deal, return_inverse=True)[1]
    codes = rng.integers(0, 3, 400)
    now, then = np.bincount(codes[is_now], minlength=3), np.bincount(codes[~is_now], minlength=3)
    found = model.no_drift(deal, is_now, codes, (now, then), 0.95, 0.1)
    reference = len({d for d, here in zip(deal, is_now, strict=True) if not here})
    share = (now + then / then.sum() * reference) / (now.sum() + reference)
    matrix = np.zeros((3, 3))
    for each in range(deal.max() + 1):
        adds = np.zeros(3)
        for row in np.flatnonzero(deal == each):
            adds += (np.eye(3)[codes[row]] - share) * (1 / now.sum() if is_now[row] else -1 / then.sum())
        matrix += np.outer(adds, adds)
    eigenvalues = np.linalg.eigvals(np.diag(1 / share) @ matrix).real
    mean, variance = eigenvalues.sum(), 2 * (eigenvalues**2).sum()
    assert found["no_drift_psi"] == pytest.approx(mean, rel=1e-9)
    assert found["p_value"] == pytest.approx(stats.gamma.sf(0.1, mean**2 / variance, scale=variance / mean), rel=1e-9)


def test_deals_that_stay_for_long_are_one_deal_each():
    """Deals that live for six of twelve past pipelines, half of them until now: by rows PSI would alarm often, by deals it doesn't."""
    alarms, by_rows = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        first = rng.integers(-5, 13, 500)
        level = rng.choice(4, 500, p=[0.4, 0.3, 0.2, 0.1])
        rows = [(d, date == 12, level[d]) for d in range(500) for date in range(max(first[d], 0), min(first[d] + 6, 13))]
        deal, is_now, codes = (np.array(column) for column in zip(*rows, strict=True))
        found = model.drift(deal, is_now.astype(bool), codes, list("abcd"), SETTINGS)
        alarms += found["p_value"] < 0.05
        # The newest pipelines are nearly the one of now, which hides from the rows' formula that they are few deals: so without them.
        old = [row for row in rows if row[1] or first[row[0]] + 6 < 12]
        deal, is_now, codes = (np.array(column) for column in zip(*old, strict=True))
        found = model.drift(deal, is_now.astype(bool), codes, list("abcd"), SETTINGS)
        alarms += found["p_value"] < 0.05
        scale = 1 / found["open_deal_count"] + 1 / found["reference_observation_count"]
        by_rows += stats.chi2.sf(found["psi"] / scale, 3) < 0.05
    assert alarms / 600 < 0.08, alarms
    assert by_rows / 300 > 0.10, by_rows


def test_rare_levels_are_taken_together():
    share = np.array([0.5, 0.4, 0.03, 0.04, 0.03])
    assert model.pooled(share, 100).tolist() == [0, 1, 2, 2, 2]  # ten deals together
    assert model.pooled(np.array([0.5, 0.47, 0.03]), 100).tolist() == [0, 1, 1]  # three deals, joined with the least of the others


def test_few_deals_and_one_value_are_not_judged():
    assert model.drift(*sides([20, 9], [500, 500]), ["a", "b"], SETTINGS)["verdict"] == "insufficient_n"
    assert model.drift(*sides([40], [500]), ["a"], SETTINGS)["verdict"] == "not_computable"
    nothing = np.zeros(0, np.intp)
    assert model.drift(nothing, nothing.astype(bool), nothing, [], SETTINGS)["verdict"] == "insufficient_n"


def test_q_values_are_those_of_scipy():
    rng = np.random.default_rng(3)
    found = {str(number): {"p_value": p, "verdict": "no_signal"} for number, p in enumerate(rng.random(12) ** 4)}
    found["out"] = {"p_value": np.nan, "verdict": "insufficient_n"}
    model.judge(found, 0.05)
    tested = [each for name, each in found.items() if name != "out"]
    expected = stats.false_discovery_control([each["p_value"] for each in tested])
    np.testing.assert_allclose([each["q_value"] for each in tested], expected)
    assert {each["verdict"] == "signal" for each in tested} == {True, False} and found["out"]["verdict"] == "insufficient_n"
    assert all((each["verdict"] == "signal") == (each["q_value"] <= 0.05) for each in tested)


def test_bins_of_the_score_are_equally_full_and_rise_with_it():
    rng = np.random.default_rng(4)
    values = {"stage": (rng.integers(0, 3, 900), ["a", "b", "c"]), "age": (rng.integers(0, 5, 900), list("12345"))}
    terms = [(None, None, -0.5)] + [("stage", level, float(rng.normal())) for level in "ab"]
    terms += [("stage x age", f"{stage} | {age}", float(rng.normal())) for stage in "abc" for age in "1234"]
    bins, names = model.score_bins(values, terms, 4)
    found = {(factor, level): value for factor, level, value in terms}
    stage, age = (np.array(levels)[codes] for codes, levels in values.values())
    expected = [found.get(("stage", s), 0) + found.get(("stage x age", f"{s} | {a}"), 0) - 0.5 for s, a in zip(stage, age, strict=True)]
    chance = 100 / (1 + np.exp(-np.array(expected)))
    for number, name in enumerate(names):
        low, _, high, _ = name.split()
        inside = chance[bins == number]
        assert float(low) - 0.051 <= inside.min() and inside.max() <= float(high) + 0.051
    assert np.abs(np.bincount(bins) - 225).max() < 120


def test_simulated_crms_without_and_with_drift():
    """A small version of `python -m tools simulate drift`."""
    quiet = [simulation.simulate("no drift", seed) for seed in range(1, 7)]
    p_values = [each["p_value"] for one in quiet for each in one.values() if np.isfinite(each["p_value"])]
    assert len(p_values) > 70 and np.mean(np.array(p_values) < 0.05) < 0.15
    moved = [simulation.simulate("a lead source grows a lot", seed)["lead_source"] for seed in range(1, 7)]
    assert sum(each["verdict"] == "signal" and each["level"] == "0" for each in moved) >= 5
    lines = simulation.run(1, 3, 1).splitlines()
    assert len(lines) == 2 + len(simulation.KINDS) and len({line.count("|") for line in lines}) == 1


def test_counts_of_the_demo_are_those_of_its_pipelines(demo):
    rows = demo.frame("select * from marts.rpt_score_drift").set_index("factor")
    dates = "select distinct observation_date from intermediate.int_score_observations where purpose = 'backtest' order by 1 desc limit 12"
    past = f"from intermediate.int_score_observations where purpose = 'backtest' and observation_date in ({dates})"
    [(deals, observations, oldest)] = demo.query(f"select count(distinct deal_id), count(*), min(observation_date) {past}")
    [(open_deals,)] = demo.query("select count(*) from intermediate.int_deal_scores")
    assert set(rows.open_deal_count) == {open_deals} and set(rows.reference_deal_count) == {deals}
    assert set(rows.reference_observation_count) == {observations} and set(rows.reference_from_date.dt.date) == {oldest}
    stage = rows.loc["stage"]
    share = f"select avg((stage = '{stage.most_moved_level}')::int) "
    assert stage.reference_share == pytest.approx(demo.query(share + past)[0][0])
    now = "from intermediate.int_score_observations where purpose = 'score'"
    assert stage.open_share == pytest.approx(demo.query(share + now)[0][0])
    assert "score" in rows.index and rows.loc["score"].verdict in ("signal", "no_signal")
