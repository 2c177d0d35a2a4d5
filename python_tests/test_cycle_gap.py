"""The mathematics behind rpt_cycle_outcome_gap against scipy and brute force over all pairs of deals."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu, norm

from models.win_rates import int_cycle_gap_tests as tests

pytestmark = pytest.mark.filterwarnings("error")


def draw_days(rng, size, mean):
    return np.minimum(rng.geometric(1 / mean, size) - 1, 400)


def by_day(*arms):
    last = max(days.max() for days in arms)
    return [np.bincount(days, minlength=last + 1) for days in arms]


def rows_of(segments):
    """Input of judge from {(dimension, value): (days of won deals, days of lost deals)}."""
    return [
        (*key, is_won, int(day), int(count))
        for key, arms in segments.items()
        for is_won, days in zip((True, False), arms, strict=True)
        for day, count in zip(*np.unique(days, return_counts=True), strict=True)
    ]


def test_mann_whitney_agrees_with_scipy():
    rng = np.random.default_rng(1)
    for _ in range(300):
        won, lost = (draw_days(rng, rng.integers(1, 400), rng.integers(1, 80)) for _ in range(2))
        p_value, _ = tests.mann_whitney(*by_day(won, lost))
        if len(np.unique(np.concatenate([won, lost]))) == 1:
            assert p_value == 1
        else:
            expected = mannwhitneyu(won, lost, alternative="two-sided", method="asymptotic", use_continuity=True).pvalue
            np.testing.assert_allclose(p_value, expected, rtol=1e-9, atol=1e-12)


def test_hodges_lehmann_agrees_with_all_differences():
    rng = np.random.default_rng(2)
    for _ in range(300):
        won, lost = (draw_days(rng, rng.integers(1, 90), rng.integers(1, 80)) for _ in range(2))
        both, size = np.concatenate([won, lost]), len(won) + len(lost)
        ties = sum(int(count) ** 3 - int(count) for count in np.unique(both, return_counts=True)[1])
        deviation = np.sqrt(len(won) * len(lost) / 12 * max(0.0, size + 1 - ties / (size * (size - 1))))
        differences = np.sort(np.subtract.outer(won, lost).ravel())
        end = max(1, int(np.floor(len(differences) / 2 - norm.ppf(0.95) * deviation)))
        counts = by_day(won, lost)
        np.testing.assert_allclose(tests.mann_whitney(*counts)[1], deviation, rtol=1e-12)
        assert tests.hodges_lehmann(*counts, deviation, 0.9) == (np.median(differences), differences[end - 1], differences[-end])


def test_the_interval_inverts_the_test():
    # Without ties (won deals on even and lost deals on odd days of a long scale) the test at a shift inside the interval does not
    # reject, and outside of it does; between two differences its statistic doesn't move.
    rng = np.random.default_rng(3)
    for _ in range(20):
        won, lost = 2 * rng.choice(5000, 60, replace=False), 2 * rng.choice(5000, 50, replace=False) + 1
        _, deviation = tests.mann_whitney(*by_day(won, lost))
        _, lower, upper = tests.hodges_lehmann(*by_day(won, lost), deviation, 0.95)
        for shift, rejects in [(lower + 0.5, False), (upper - 0.5, False), (lower - 2.5, True), (upper + 2.5, True)]:
            p_value = mannwhitneyu(won - shift, lost, method="asymptotic", use_continuity=False).pvalue
            assert (p_value < 0.05) == rejects or abs(p_value - 0.05) < 0.002


def test_the_interval_covers_a_planted_shift():
    rng, held = np.random.default_rng(4), []
    for _ in range(400):
        won, lost = 20 + draw_days(rng, 80, 30) + 5, 20 + draw_days(rng, 90, 30)
        counts = by_day(won, lost)
        _, lower, upper = tests.hodges_lehmann(*counts, tests.mann_whitney(*counts)[1], 0.95)
        held.append(lower <= 5 <= upper)
    assert 0.92 <= np.mean(held) <= 1


def test_shift_by_hand():
    # Won after 1 and 3 days, lost after 2 and 6: differences -5, -3, -1, 1; the median lies between -3 and -1.
    assert tests.hodges_lehmann(*by_day(np.array([1, 3]), np.array([2, 6])), 1.29, 0.95) == (-2.0, -5.0, 1.0)


def test_families_and_thresholds():
    rng = np.random.default_rng(5)
    segments = {("all", "all"): (draw_days(rng, 400, 30), draw_days(rng, 400, 30))}
    for dimension, means in {"region": (30, 30, 30), "source": (30, 12, 30), "rep": (30, 30)}.items():
        for number, mean in enumerate(means):
            segments[dimension, f"{number}"] = (draw_days(rng, 150, mean), draw_days(rng, 150, 30))
    segments["rep", "small"] = (draw_days(rng, 29, 5), draw_days(rng, 300, 60))
    found = tests.judge(rows_of(segments), 30, 0.95, 0.05)
    q_values, simes = {}, {}
    for dimension in ("all", "rep", "region", "source"):
        keys = [key for key in segments if key[0] == dimension and key[1] != "small"]
        p_values = [mannwhitneyu(*segments[key], method="asymptotic").pvalue for key in keys]
        q_values |= dict(zip(keys, false_discovery_control(p_values), strict=True))
        simes[dimension] = min(sorted(p_values)[rank] * len(keys) / (rank + 1) for rank in range(len(keys)))
    family_q_values = dict(zip(simes, false_discovery_control(list(simes.values())), strict=True))
    selected = {dimension for dimension, q_value in family_q_values.items() if q_value <= 0.05}
    assert selected == {"source"}
    for key, q_value in q_values.items():
        np.testing.assert_allclose(found[key]["segment_q_value"], q_value, rtol=1e-9)
        np.testing.assert_allclose(found[key]["family_q_value"], family_q_values[key[0]], rtol=1e-9)
        assert found[key]["verdict"] == ("signal" if key == ("source", "1") else "no_signal")
        np.testing.assert_allclose(found[key]["segment_q_threshold"], 0.05 / 4 if key[0] == "source" else np.nan)
    assert found["source", "1"]["cycle_shift_upper_days"] < 0
    assert found["rep", "small"]["verdict"] == "insufficient_n"
    assert np.isnan([found["rep", "small"][name] for name in tests.FIGURES]).all()


def test_nothing_to_compare():
    assert tests.judge([], 30, 0.95, 0.05) == {}
    only_won = tests.judge(rows_of({("all", "all"): (np.full(50, 9), np.array([], int))}), 30, 0.95, 0.05)
    assert only_won["all", "all"]["verdict"] == "insufficient_n"
    same_day = tests.judge(rows_of({("all", "all"): (np.full(50, 9), np.full(50, 9))}), 30, 0.95, 0.05)["all", "all"]
    assert (same_day["mann_whitney_p_value"], same_day["cycle_shift_days"], same_day["verdict"]) == (1, 0, "no_signal")
    assert (same_day["cycle_shift_lower_days"], same_day["cycle_shift_upper_days"]) == (0, 0)


def test_noise_is_seldom_a_signal():
    # Segments of one CRM without any difference: at most 5 % may hold a signal. 100 draws, 5 expected, 15 or more 1 in 10,000.
    rng, alarms = np.random.default_rng(6), 0
    for _ in range(100):
        days, won = draw_days(rng, 3000, 60), rng.random(3000) < 0.45
        segments = {("all", "all"): (days[won], days[~won])}
        for dimension, size in {"industry": 5, "region": 4, "product_type": 3, "sales_rep_id": 15}.items():
            value = rng.integers(0, size, 3000)
            segments |= {(dimension, f"{v}"): (days[won & (value == v)], days[~won & (value == v)]) for v in range(size)}
        alarms += any(figures["verdict"] == "signal" for figures in tests.judge(rows_of(segments), 30, 0.95, 0.05).values())
    assert alarms < 15
