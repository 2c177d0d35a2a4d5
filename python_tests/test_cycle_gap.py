"""The mathematics behind rpt_cycle_outcome_gap against scipy and brute force over all pairs of deals."""

import numpy as np
import pandas
import pytest
from conftest import findings
from scipy.stats import false_discovery_control, mannwhitneyu, norm

from inference.clusters import Accounts
from models.win_rates import int_cycle_gap_tests as tests
from tools.simulations import cycle as simulation

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


def draw_arms(rng):
    """Won and lost deals on few or many days, so that some are tied and some are not."""
    last = rng.choice([0, 1, 2, 30, 400])
    return [np.minimum(draw_days(rng, rng.integers(1, 300), rng.integers(1, 60)), last) for _ in range(2)]


def test_mann_whitney_agrees_with_scipy():
    rng = np.random.default_rng(1)
    for _ in range(500):
        won, lost = draw_arms(rng)
        p_value = tests.RankTest(*by_day(won, lost)).p_value()
        if len(np.unique(np.concatenate([won, lost]))) == 1:
            assert p_value == 1
        else:
            expected = mannwhitneyu(won, lost, alternative="two-sided", method="asymptotic", use_continuity=True).pvalue
            np.testing.assert_allclose(p_value, expected, rtol=1e-9, atol=1e-12)


def test_the_interval_leaves_zero_out_exactly_when_scipy_rejects():
    rng, rejected = np.random.default_rng(2), 0
    for _ in range(500):
        won, lost = draw_arms(rng)
        found = tests.RankTest(*by_day(won, lost))
        expected = mannwhitneyu(won, lost, alternative="two-sided", method="asymptotic") if found.deviation else None
        for level in (0.5, 0.05, 0.01, 0.0005):
            lower, upper = found.interval(level)
            rejects = bool(expected and expected.pvalue <= level)
            assert lower <= found.shift() <= upper and rejects == (lower > 0 or upper < 0)
            if rejects:
                assert np.sign(found.shift()) == np.sign(expected.statistic - len(won) * len(lost) / 2)
            rejected += rejects
    assert 300 < rejected < 1800


def test_the_interval_inverts_the_test_at_every_shift():
    # Without ties the test at a shift is scipy's of won deals that took so much less; between two differences its statistic is spread evenly.
    rng = np.random.default_rng(3)
    for _ in range(20):
        won, lost = 2 * rng.choice(5000, 60, replace=False), 2 * rng.choice(5000, 50, replace=False) + 1
        lower, upper = tests.RankTest(*by_day(won, lost)).interval(0.05)
        for shift, rejects in [(lower + 1.5, False), (upper - 1.5, False), (lower - 1.5, True), (upper + 1.5, True)]:
            p_value = mannwhitneyu(won - shift, lost, method="asymptotic").pvalue
            assert (p_value < 0.05) == rejects or abs(p_value - 0.05) < 0.002


def test_the_interval_covers_a_planted_shift():
    rng, held = np.random.default_rng(4), []
    for _ in range(400):
        won, lost = 20 + draw_days(rng, 80, 30) + 5, 20 + draw_days(rng, 90, 30)
        lower, upper = tests.RankTest(*by_day(won, lost)).interval(0.05)
        held.append(lower <= 5 <= upper)
    assert 0.92 <= np.mean(held) <= 1


def test_shift_by_hand():
    # Won after 1 and 3 days, lost after 2 and 6: differences -5, -3, -1, 1; the median lies between -3 and -1.
    few = tests.RankTest(*by_day(np.array([1, 3]), np.array([2, 6])))
    assert few.shift() == -2 and few.interval(0.05) == (-5.5, 1.5)
    # Won after 2 and 2 days, lost after 2 and 3: differences 0, 0, -1, -1. The days between -1/2 and 1/2 hold two pairs, those before the others.
    tied = tests.RankTest(*by_day(np.array([2, 2]), np.array([2, 3])))
    assert tied.shift() == -0.5
    # Of 100 pairs 50 are 0 and 50 are 1: 25 pairs are a quarter of the way from -1/2 to 3/2.
    many = tests.RankTest(*by_day(np.repeat([2, 3], 5), np.repeat(2, 10)))
    many.deviation = 10.0
    np.testing.assert_allclose(many.interval(2 * norm.sf(2.45)), (0.0, 1.0), atol=1e-12)


def judged_by_hand(segments, level):
    """p values of scipy, corrected by plain arithmetic, and what follows from them."""
    families = {}
    for key, arms in segments.items():
        if min(map(len, arms)) >= 30:
            families.setdefault(key[0], {})[key] = mannwhitneyu(*arms, method="asymptotic").pvalue
    corrected, least = {}, {}
    for dimension, p_values in families.items():
        values = list(p_values.values())
        many = false_discovery_control(values) if len(values) >= 12 else np.minimum(1, np.multiply(values, len(values)))
        corrected |= dict(zip(p_values, many, strict=True))
        least[dimension] = min(many)
    q_values = dict(zip(least, false_discovery_control(list(least.values())), strict=True))
    selected = max(1, sum(q_value <= level for q_value in q_values.values()))
    return corrected, q_values, level * selected / len(q_values)


def test_families_and_thresholds():
    rng = np.random.default_rng(5)
    for level in (0.05, 0.01):
        segments = {("all", "all"): (draw_days(rng, 400, 30), draw_days(rng, 400, 30))}
        for dimension, means in {"region": (30, 30), "source": (30, 12, 30), "tier": [30] * 10 + [10, 14, 20]}.items():
            for number, mean in enumerate(means):
                segments[dimension, f"{number:02d}"] = (draw_days(rng, 150, mean), draw_days(rng, 150, 30))
        segments["region", "small"] = (draw_days(rng, 29, 5), draw_days(rng, 300, 60))
        found = tests.judge(rows_of(segments), {}, 30, 8, level)
        corrected, q_values, threshold = judged_by_hand(segments, level)
        for key, adjusted in corrected.items():
            np.testing.assert_allclose(found[key]["adjusted_p_value"], adjusted, rtol=1e-9)
            np.testing.assert_allclose(found[key]["family_q_value"], q_values[key[0]], rtol=1e-9)
            np.testing.assert_allclose(found[key]["p_value_threshold"], threshold)
            assert found[key]["verdict"] == ("signal" if adjusted <= threshold else "no_signal")
        assert found["source", "01"]["cycle_shift_upper_days"] < 0 and found["tier", "10"]["verdict"] == "signal"
        assert found["region", "small"]["verdict"] == "insufficient_n"
        assert np.isnan([found["region", "small"][name] for name in tests.FIGURES]).all()


def test_nothing_to_compare():
    assert tests.judge([], {}, 30, 8, 0.05) == {}
    only_won = tests.judge(rows_of({("all", "all"): (np.full(50, 9), np.array([], int))}), {}, 30, 8, 0.05)
    assert only_won["all", "all"]["verdict"] == "insufficient_n"
    same_day = tests.judge(rows_of({("all", "all"): (np.full(50, 9), np.full(50, 9))}), {}, 30, 8, 0.05)["all", "all"]
    assert (same_day["mann_whitney_p_value"], same_day["cycle_shift_days"], same_day["verdict"]) == (1, 0, "no_signal")
    assert -0.01 < same_day["cycle_shift_lower_days"] < 0 < same_day["cycle_shift_upper_days"] < 0.01


def test_verdict_direction_interval_and_sentence_of_a_segment_are_one():
    # Tables of 2 to 40 segments, of which none to all differ.
    rng, rows = np.random.default_rng(7), []
    for _ in range(100):
        segments, last = {}, rng.choice([2, 40, 400])
        for number in range(rng.integers(2, 41)):
            means = (rng.integers(5, 60), 30) if rng.random() < rng.choice([0, 0.3, 1]) else (30, 30)
            segments["source", f"{number}"] = tuple(np.minimum(draw_days(rng, rng.integers(20, 400), mean), last) for mean in means)
        rows += [
            dict(zip(("segment_dimension", "segment_value"), key, strict=True))
            | {"won_deal_count": len(segments[key][0]), "lost_deal_count": len(segments[key][1])}
            | figures
            for key, figures in tests.judge(rows_of(segments), {}, 30, 8, 0.02).items()
        ]
    sentences = findings("cycle_gap_finding", pandas.DataFrame(rows), min_segment_deals=30)
    verdicts = [row["verdict"] for row in rows]
    assert verdicts.count("signal") > 200 and verdicts.count("no_signal") > 500
    for row, sentence in zip(rows, sentences, strict=True):
        shift, lower, upper = (row[f"cycle_shift_{name}days"] for name in ("", "lower_", "upper_"))
        if row["verdict"] == "insufficient_n":
            assert "too few deals" in sentence and np.isnan([shift, lower, upper]).all()
            continue
        is_signal = row["verdict"] == "signal"
        assert is_signal == (lower > 0 or upper < 0) == (row["adjusted_p_value"] <= row["p_value_threshold"]) and lower <= shift <= upper, (
            row
        )
        assert f"{abs(shift):.1f} days {'less' if shift < 0 else 'more'} than" in sentence, (row, sentence)
        assert sentence.endswith(f"wins are associated with {'shorter' if shift < 0 else 'longer'} cycles.") == is_signal, sentence
        assert sentence.endswith("chance can explain it.") != is_signal


def test_what_accounts_have_in_common_makes_no_signal():
    # 60 CRMs; 200 of each kind are in docs/evidence.md. Without design effects 13 % have a signal.
    kind = "8 deals an account that has its own pace (half of the spread), nothing planted"
    assert sum(bool(simulation.one_crm(seed, kind)) for seed in range(60)) <= 5


def test_deals_of_few_accounts_are_not_judged():
    segments = {("all", "all"): (np.arange(50), np.arange(50))}
    found = tests.judge(rows_of(segments), {("all", "all"): Accounts(7, 100, 1500, 1.0, 10.0)}, 30, 8, 0.05)["all", "all"]
    assert (found["verdict"], found["missing_reason"]) == ("insufficient_n", "too few accounts") and np.isnan(found["cycle_shift_days"])


def test_noise_is_seldom_a_signal():
    # Segments of one CRM without any difference: at most 5 % may hold a signal. 100 draws, 5 expected, 15 or more 1 in 10,000.
    rng, alarms = np.random.default_rng(6), 0
    for _ in range(100):
        days, won = draw_days(rng, 3000, 60), rng.random(3000) < 0.45
        segments = {("all", "all"): (days[won], days[~won])}
        for dimension, size in {"industry": 5, "region": 4, "product_type": 3, "sales_rep_id": 15}.items():
            value = rng.integers(0, size, 3000)
            segments |= {(dimension, f"{v}"): (days[won & (value == v)], days[~won & (value == v)]) for v in range(size)}
        alarms += any(figures["verdict"] == "signal" for figures in tests.judge(rows_of(segments), {}, 30, 8, 0.05).values())
    assert alarms < 15
