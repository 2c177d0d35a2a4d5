"""Kaplan-Meier and Aalen-Johansen of ml_stage_survival against statsmodels, case by case where the model has counts by day."""

from collections import Counter
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from inference.survival import incidence_variance, life_table
from models.stages import ml_stage_survival as survival

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:statsmodels")  # it divides by nobody left on the last day
Z = NormalDist().inv_cdf(0.975)
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def random_cases(seed: int, late_starts: bool, causes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days, day of the first observation (0: seen from the start) and cause of 1 to 400 cases with many ties."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 400))
    horizon = random.integers(3, 200)
    days = np.minimum(random.geometric(random.uniform(0.005, 0.4), n) - 1, horizon)
    is_open = (random.random(n) < random.uniform(0, 0.6)) | (days == horizon)
    cause = np.where(is_open, 0, random.integers(1, causes + 1, n))
    observed_after = np.zeros(n, dtype=int)
    if late_starts:
        late = random.random(n) < random.uniform(0, 0.9)
        observed_after[late] = random.integers(1, 30, late.sum())
        days[late] = np.maximum(days[late], observed_after[late])
    return days, observed_after, cause


def counted(days, observed_after, cause) -> list[np.ndarray]:
    """The cases as the model gets them: grouped, in no order."""
    groups = list(Counter(zip(days.tolist(), observed_after.tolist(), cause.tolist(), strict=False)).items())
    np.random.default_rng(0).shuffle(groups)
    return [np.array([group[0][place] for group in groups]) for place in range(3)] + [np.array([count for _, count in groups])]


def informative(days, observed_after, cause) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cases and entries in statsmodels' sense: nobody is at risk on or before the entry, and no case ends there."""
    keep = (observed_after == 0) | (days > observed_after)
    return days[keep], np.where(observed_after == 0, -1, observed_after)[keep], cause[keep]


@pytest.mark.parametrize("late_starts", [False, True])
def test_survival_equals_statsmodels(late_starts):
    compared = 0
    for seed in range(250):
        cases = random_cases(seed, late_starts, causes=1)
        table = life_table(*counted(*cases), causes=1)
        days, entry, ended = informative(*cases)
        if not ended.any():
            assert len(table.days) == 0
            continue
        oracle = SurvfuncRight(days, ended, entry=entry)
        np.testing.assert_array_equal(table.days, oracle.surv_times)
        np.testing.assert_allclose(table.at_risk, oracle.n_risk, **EXACT)
        np.testing.assert_allclose(table.survival, oracle.surv_prob, **EXACT)
        some = oracle.surv_prob > 0
        if not table.has_hole:
            error = np.sqrt(np.cumsum(table.hazard_variance)) * table.survival
            np.testing.assert_allclose(error[some], oracle.surv_prob_se[some], **EXACT)
            compared += 1
    assert compared > 150


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("late_starts", [False, True])
def test_quantiles_and_their_intervals_equal_statsmodels(late_starts, share):
    statuses = Counter()
    for seed in range(250):
        cases = random_cases(seed, late_starts, causes=1)
        table = life_table(*counted(*cases), causes=1)
        estimate, lower, upper, status = survival.quantile(table, share, Z)
        statuses[status] += 1
        days, entry, ended = informative(*cases)
        if not ended.any():
            assert (estimate, lower, upper, status) == (None, None, None, "not_reached")
            continue
        if table.has_hole:
            assert (estimate, lower, upper, status) == (None, None, None, "nobody_at_risk")
            continue
        oracle = SurvfuncRight(days, ended, entry=entry)
        # statsmodels waits until survival is below the level; on it, or nearly so, rounding decides there.
        if not np.isclose(oracle.surv_prob, 1 - share, rtol=0, atol=1e-9).any():
            expected = oracle.quantile(share)
            assert estimate == (None if np.isnan(expected) else expected)
        expected_lower, expected_upper = oracle.quantile_ci(share, method="cloglog")
        nobody_left = oracle.surv_prob[-1] == 0
        if np.isnan(expected_lower):
            # No day is compatible with the level: survival jumps across it, or one case is all there is.
            assert lower == upper or (nobody_left and upper is None)
            continue
        assert lower == expected_lower
        if nobody_left and expected_upper == oracle.surv_times[-1]:
            # statsmodels takes the day that leaves nobody for significantly below any level, on however few cases.
            last = oracle.n_risk[-1]
            highest = np.concatenate([[1], oracle.surv_prob])[-2] * (1 - 0.025 ** (1 / last))
            assert upper == (expected_upper if highest <= 1 - share else None)
        else:
            assert upper == (None if np.isinf(expected_upper) else expected_upper)
    assert statuses["estimated"] > 50 and min(statuses["upper_limit_not_reached"], statuses["not_reached"]) > 5


@pytest.mark.parametrize("late_starts", [False, True])
def test_cumulative_incidences_equal_statsmodels(late_starts):
    compared = 0
    for seed in range(250):
        cases = random_cases(seed, late_starts)
        table = life_table(*counted(*cases), causes=2)
        days, entry, cause = informative(*cases)
        if not cause.any() or table.has_hole:
            continue
        np.testing.assert_allclose(table.survival + table.incidence.sum(axis=0), 1, rtol=0, atol=1e-12)
        before = np.concatenate([[1], SurvfuncRight(days, cause > 0, entry=entry).surv_prob])[:-1]
        for number in (1, 2):
            if not (cause == number).any():
                assert not table.incidence[number - 1].any()
                continue
            hazard = SurvfuncRight(days, cause == number, entry=entry)
            at = np.searchsorted(table.days, hazard.surv_times)
            expected = np.cumsum(before[at] * hazard.n_events / hazard.n_risk)
            np.testing.assert_allclose(table.incidence[number - 1][at], expected, **EXACT)
            compared += 1
            if not late_starts and (cause == 2).any():
                whole = CumIncidenceRight(days, cause)
                at = np.searchsorted(whole.times, table.days)
                np.testing.assert_allclose(table.incidence[number - 1], whole.cinc[number - 1][at], **EXACT)
                error = whole.cinc_se[number - 1][-1]
                if np.isfinite(error):
                    np.testing.assert_allclose(np.sqrt(incidence_variance(table, number)), error, rtol=1e-7)
    assert compared > 250


def test_the_variance_of_one_cause_is_greenwoods_with_late_starts_too():
    compared = 0
    for seed in range(250):
        cases = random_cases(seed, late_starts=True, causes=1)
        table = life_table(*counted(*cases), causes=1)
        if len(table.days) and table.survival[-1] > 0:
            greenwood = table.survival[-1] ** 2 * table.hazard_variance.sum()
            np.testing.assert_allclose(incidence_variance(table, 1), greenwood, rtol=1e-9)
            compared += 1
    assert compared > 100


def test_without_censoring_the_interval_is_wilsons():
    for seed in range(100):
        random = np.random.default_rng(seed)
        n = int(random.integers(2, 300))
        cause = random.integers(1, 3, n)
        days = random.integers(0, 30, n)
        table = life_table(days, np.zeros(n, dtype=int), cause, np.ones(n), causes=2)
        name, estimate, lower, upper, status = next(survival.probabilities(table, Z))
        won = int((cause == 1).sum())
        expected = proportion_confint(won, n, method="wilson")
        np.testing.assert_allclose([estimate, lower, upper], [won / n, *expected], rtol=1e-9, atol=1e-12)
        assert (name, status) == ("win_probability", "estimated")


def test_intervals_hold_the_truth_as_often_as_they_say():
    """400 runs of 120 cases that win with 0.4 after an exponential time, censored, a third of them seen late."""
    covered = {"median": 0, "win_probability": 0}
    for seed in range(400):
        random = np.random.default_rng(seed)
        days = np.floor(random.exponential(20, 600)).astype(int)
        cause = np.where(random.random(600) < 0.4, 1, 2)
        horizon = random.integers(30, 120, 600)
        cause = np.where(days > horizon, 0, cause)
        days = np.minimum(days, horizon)
        observed_after = np.where(random.random(600) < 0.33, random.integers(1, 20, 600), 0)
        seen = np.flatnonzero((observed_after == 0) | (days >= observed_after))[:120]
        grouped = counted(days[seen], observed_after[seen], cause[seen])
        table = life_table(*grouped, causes=2)
        _, lower, upper, _ = survival.quantile(table, 0.5, Z)
        covered["median"] += lower <= 13 <= (upper or np.inf)  # exp(-14 / 20) is the first power at or below a half
        _, _, lower, upper, _ = next(survival.probabilities(table, Z))
        covered["win_probability"] += lower <= 0.4 <= upper
    # Below the nominal 95 % by more than 2.6 standard errors of 400 runs would be a fault, and so would be far above.
    assert all(binom.cdf(count, 400, 0.95) > 0.005 for count in covered.values()), covered
    assert covered["win_probability"] < 398


def test_hand_computed_table():
    """Four visits: one ends on day 2, one is open on day 3, two end on day 5, of which one is seen from day 2 on.

    Day 2: three at risk (the late one only from day 3), one ends: 2/3. Day 5: the late one joined, the open one is gone, two at risk, both end: 0.
    """
    table = life_table(np.array([2, 3, 5, 5]), np.array([0, 0, 0, 2]), np.array([1, 0, 2, 1]), np.array([1, 1, 1, 1]), causes=2)
    np.testing.assert_array_equal(table.days, [2, 5])
    np.testing.assert_array_equal(table.at_risk, [3, 2])
    np.testing.assert_allclose(table.survival, [2 / 3, 0])
    np.testing.assert_allclose(table.incidence, [[1 / 3, 2 / 3], [0, 1 / 3]])
    assert not table.has_hole
    assert survival.quantile(table, 0.5, Z)[0] == 5


def test_late_starts_leave_a_hole_and_nothing_is_claimed():
    """The only case seen from its start ends on day 1; the others begin to be seen on day 10."""
    table = life_table(np.array([1, 20]), np.array([0, 10]), np.array([1, 2]), np.array([1, 50]), causes=2)
    assert table.has_hole
    assert survival.quantile(table, 0.5, Z) == (None, None, None, "nobody_at_risk")
    assert [measure[1:] for measure in survival.probabilities(table, Z)] == [(None, None, None, "nobody_at_risk")] * 3


def test_one_visit_says_little():
    """One completed visit of 5 days: median 5, and no upper limit, which one case can't give (1 - 0.025 is above a half)."""
    table = life_table(np.array([5]), np.array([0]), np.array([1]), np.array([1]), causes=1)
    assert survival.quantile(table, 0.5, Z) == (5.0, 5.0, None, "upper_limit_not_reached")
    many = life_table(np.array([5]), np.array([0]), np.array([1]), np.array([40]), causes=1)
    assert survival.quantile(many, 0.5, Z) == (5.0, 5.0, 5.0, "estimated")


def visit_counts(*rows) -> pd.DataFrame:
    columns = ["segment_dimension", "segment_value", "stage", "days_in_stage", "observed_after_days", "is_completed", "visit_count"]
    return pd.DataFrame([("all", "all", *row) for row in rows], columns=columns)


def reach_counts(*rows) -> pd.DataFrame:
    """Of one pipeline, unless a stage is written as `pipeline: stage`."""
    columns = [
        "segment_dimension",
        "segment_value",
        "pipeline_text",
        "stage",
        "days_to_close",
        "observed_after_days",
        "is_furthest",
        "outcome",
        "deal_count",
    ]
    return pd.DataFrame([("all", "all", stage.rpartition(":")[0], stage, *row) for stage, *row in rows], columns=columns)


def test_all_open_and_nothing_at_all():
    open_only = list(survival.stage_durations(visit_counts(("Demo", 3, 0, False, 7)), {"median": 0.5}, Z))
    assert open_only == [("all", "all", "Demo", "median", None, None, None, "not_reached")]
    assert list(survival.stage_durations(visit_counts(), {"median": 0.5}, Z)) == []
    assert list(survival.stage_conversion(reach_counts(), Z)) == []
    rows = list(survival.stage_conversion(reach_counts(("Demo", 3, 0, True, "Open", 7)), Z))
    assert [row[3:] for row in rows] == [
        (name, None, None, None, "no_case")
        for name in ("win_probability", "loss_probability", "open_probability", "loss_rate", "loss_share_rate")
    ]


def test_rates_of_a_stage_by_hand():
    """Demo: 10 reached, 6 got to Proposal, 2 lost here, 2 open here: loss rate 2 / 8. Proposal: 6 reached, 3 won, 2 lost, 1 open:
    2 / 5. Losses: 4, half of them from either."""
    rows = list(
        survival.stage_conversion(
            reach_counts(
                ("Demo", 9, 0, False, "Won", 3),
                ("Demo", 7, 0, False, "Lost", 2),
                ("Demo", 4, 0, False, "Open", 1),
                ("Demo", 2, 0, True, "Lost", 2),
                ("Demo", 1, 0, True, "Open", 2),
                ("Proposal", 4, 0, True, "Won", 3),
                ("Proposal", 2, 0, True, "Lost", 2),
                ("Proposal", 1, 0, True, "Open", 1),
            ),
            Z,
        )
    )
    found = {(row[2], row[3]): row[4] for row in rows}
    assert found["Demo", "loss_rate"] == 0.25
    assert found["Proposal", "loss_rate"] == 0.4
    assert found["Demo", "loss_share_rate"] == found["Proposal", "loss_share_rate"] == 0.5
    # Proposal: day 2, five at risk, two lost; day 4, three at risk, all won: 3/5 won, 2/5 lost.
    assert found["Proposal", "win_probability"] == pytest.approx(0.6, abs=1e-12)
    assert found["Proposal", "open_probability"] == 0


def test_a_share_of_losses_is_of_the_pipelines_losses():
    """New loses 3 in Demo and 1 in Terms, Renewal 6 in Notice: 3 / 4, 1 / 4 and 6 / 6, not 3 / 10 and so on."""
    lost = reach_counts(
        ("new:Demo", 9, 0, True, "Lost", 3), ("new:Terms", 9, 0, True, "Lost", 1), ("renewal:Notice", 9, 0, True, "Lost", 6)
    )
    found = {row[2]: row[4] for row in survival.stage_conversion(lost, Z) if row[3] == "loss_share_rate"}
    assert found == {"new:Demo": 0.75, "new:Terms": 0.25, "renewal:Notice": 1.0}


def test_one_lost_deal():
    """It reached the stage and was lost on day 9: 0 % won, 100 % lost, by Wilson at n = 1 within z^2 / (1 + z^2) = 79.3 %."""
    rows = list(survival.stage_conversion(reach_counts(("Demo", 9, 0, True, "Lost", 1)), Z))
    found = {row[3]: row[4:] for row in rows}
    assert found["win_probability"] == (0.0, 0.0, pytest.approx(Z * Z / (1 + Z * Z), abs=1e-12), "estimated")
    assert found["loss_probability"] == (1.0, pytest.approx(1 / (1 + Z * Z), abs=1e-12), 1.0, "estimated")
    assert found["loss_rate"][0] == found["loss_share_rate"][0] == 1
