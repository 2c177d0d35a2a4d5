"""The mathematics behind rpt_segment_win_rates against statsmodels, scipy and brute force, and what its verdicts do over many CRMs."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, norm, t
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from inference.multiplicity import step_down
from models.win_rates import int_segment_win_rate_estimates as estimates
from models.win_rates import int_segment_win_rate_tests as tests

pytestmark = pytest.mark.filterwarnings("error")
QUANTILE = norm.ppf(0.975)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


# Estimates


def draw_deals(rng, size, rate=0.4):
    amount = np.round(np.exp(9 + rng.standard_normal(size)), 2)
    return amount, rng.random(size) < rate


def sums_of(amount, won):
    values = (len(amount), won.sum(), amount.sum(), amount[won].sum(), (amount**2).sum(), (amount[won] ** 2).sum())
    return [np.array([value], float) for value in values]


def test_amount_interval_agrees_with_deals_one_by_one():
    rng = np.random.default_rng(3)
    for _ in range(200):
        amount, won = draw_deals(rng, rng.integers(2, 300))
        if not 0 < won.sum() < len(won):
            continue
        count, _, total, won_total, squared, won_squared = sums_of(amount, won)
        rate = np.average(won, weights=amount)
        variance = np.var(amount * won - rate * amount, ddof=1) * len(amount) / amount.sum() ** 2
        effective = min(rate * (1 - rate) / variance, amount.sum() ** 2 / (amount**2).sum())
        expected = proportion_confint(rate * effective, effective, method="wilson")
        found = estimates.amount_win_rate_interval(count, total, won_total, squared, won_squared, QUANTILE)
        close(np.ravel(found), expected)


def test_size_effect_interval_agrees_with_deals_one_by_one():
    rng = np.random.default_rng(4)
    for _ in range(200):
        amount, won = draw_deals(rng, rng.integers(3, 300))
        found = np.ravel(estimates.size_effect_interval(*sums_of(amount, won), 0.95))
        if not 2 <= won.sum() < len(won):
            assert np.isnan(found).all()
            continue
        influence = amount * won / amount[won].sum() - amount / amount.sum() - won / won.sum() + 1 / len(won)
        reach = t.ppf(0.975, won.sum() - 1) * np.sqrt(np.sum(influence**2) * len(won) / (len(won) - 1))
        effect = amount[won].mean() / amount.mean()
        close(found, [effect * np.exp(-reach), effect * np.exp(reach)])


def test_amount_interval_covers_the_truth():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(1000):
        amount, won = draw_deals(rng, 60)
        count, _, total, won_total, squared, won_squared = sums_of(amount, won)
        lower, upper = estimates.amount_win_rate_interval(count, total, won_total, squared, won_squared, QUANTILE)
        held.append(lower[0] <= 0.4 <= upper[0])
    assert 0.93 <= np.mean(held) <= 0.99


def test_shrinkage_agrees_with_its_formula():
    rng = np.random.default_rng(6)
    kinds = set()
    for _ in range(300):
        count = rng.integers(0, 400, rng.integers(1, 12))
        won = rng.binomial(count, rng.beta(8, 10, len(count)) if rng.random() < 0.5 else 0.45)
        pooled, prior, shrunk = estimates.shrink(won.astype(float), count.astype(float), 50.0)
        kept = [(w, n) for w, n in zip(won, count, strict=True) if n]
        if not kept:
            assert np.isnan([pooled, prior, *shrunk]).all()
            continue
        total = sum(n for _, n in kept)
        mu = sum(w for w, _ in kept) / total
        close(pooled, mu)
        if len(kept) < 3:
            kinds.add("default")
            m = 50
        else:
            spread = sum(n * (w / n - mu) ** 2 for w, n in kept) - (len(kept) - 1) * mu * (1 - mu)
            v = spread / (total - sum(n * n for _, n in kept) / total)
            m = max(0, mu * (1 - mu) / v - 1) if v > 0 else None
        if m is None:
            kinds.add("none")
            assert np.isinf(prior)
            close(shrunk, mu)
        else:
            kinds.add("some")
            close(prior, m)
            close(
                [s for s, n in zip(shrunk, count, strict=True) if n or m],
                [(w + mu * m) / (n + m) for w, n in zip(won, count, strict=True) if n or m],
            )
    assert kinds == {"default", "none", "some"}


def test_estimates_of_segments_by_hand():
    # Two segments of one dimension: 30 of 100 and 60 of 100. Pooled 90 / 200 = 0.45; two segments, so M = 50:
    # (30 + 22.5) / 150 = 0.35 and (60 + 22.5) / 150 = 0.55.
    rows = {
        "segment_dimension": ["region", "region"],
        "segment_value": ["A", "B"],
        "period": ["all", "all"],
        "closed_deal_count": [100, 100],
        "won_deal_count": [30, 60],
        "valued_deal_count": [100, 100],
        "valued_won_deal_count": [30, 60],
        "closed_amount": [1000, 1000],
        "won_amount": [300, 600],
        "squared_amount": [10000, 10000],
        "won_squared_amount": [3000, 6000],
    }
    found = estimates.estimate(rows, 0.95, 50)
    close(found["pooled_win_rate"], [0.45, 0.45])
    close(found["shrunk_win_rate"], [0.35, 0.55])
    close(found["prior_deal_count"], [50, 50])
    close(found["vs_rest_difference"], [-0.3, 0.3])
    assert found["rest_deal_count"].tolist() == [100, 100]
    assert not found["has_no_evidence_of_differences"].any()


# Tests


def plain_step_down(won, count, other_won, other_count, level):
    """The procedure as its definition says it, over plain lists."""
    remaining, signals = list(range(len(won))), []
    while True:
        p_values = {}
        for i in remaining:
            rest = [j for j in remaining if j != i]
            rest_count = other_count + sum(count[j] for j in rest)
            if rest_count >= 30:
                p_values[i] = proportions_ztest([won[i], other_won + sum(won[j] for j in rest)], [count[i], rest_count])[1]
        if not p_values or min(p_values.values()) * len(p_values) > level:
            return sorted(signals)
        leaving = [i for i in p_values if p_values[i] <= min(p_values.values()) * (1 + 1e-6)]
        signals += leaving
        remaining = [i for i in remaining if i not in leaving]


def family_of(won, count, other_won=0, other_count=0, min_deals=30):
    rows = np.arange(len(won))
    return tests.Family(
        rows, rows, np.asarray(won, float), np.asarray(count, float), None, None, sum(won) + other_won, sum(count) + other_count, min_deals
    )


def test_step_down_agrees_with_its_definition():
    rng = np.random.default_rng(10)
    sizes = set()
    for round_number in range(300):
        count = rng.integers(100, 900, rng.integers(2, 9))
        won = rng.binomial(count, rng.choice([0.3, 0.45, 0.45, 0.45, 0.6], len(count)))
        others = [(0, 0), (12, 29), (45, 100)][round_number % 3]
        _, is_signal = step_down(family_of(won, count, *others).score, len(count), 0.05)
        assert np.flatnonzero(is_signal).tolist() == plain_step_down(won.tolist(), count.tolist(), *others, 0.05)
        sizes.add(is_signal.sum())
    assert sizes >= {0, 1, 2, 3, 4}


def test_the_winner_leaves_the_rest():
    # 600 of 1,000 against three of 450, 455 and 445: each innocent one differs from a rest that holds the winner
    # (z of 450 / 1,000 against 1,500 / 3,000: -2.7), but not once it has left.
    won, count = [600, 450, 455, 445], [1000] * 4
    adjusted, is_signal = step_down(family_of(won, count).score, 4, 0.05)
    assert is_signal.tolist() == [True, False, False, False]
    assert adjusted[0] < 1e-9 and (adjusted[1:] > 0.9).all()


def test_two_segments_that_differ_are_both_signals():
    adjusted, is_signal = step_down(family_of([400, 550], [1000, 1000]).score, 2, 0.05)
    assert is_signal.all() and adjusted[0] == adjusted[1]


def rows_of(families):
    """Input of judge: {(tier, dimension, period): [(won, closed) or (first, second, won, closed)]}."""
    names = (
        "verdict_tier",
        "segment_dimension",
        "period",
        "segment_value",
        "first_segment_value",
        "second_segment_value",
        "won_deal_count",
        "closed_deal_count",
    )
    rows = []
    for (tier, dimension, period), members in families.items():
        for number, member in enumerate(members):
            pair = member[:2] if len(member) == 4 else (None, None)
            rows.append((tier, dimension, period, f"{number}", *pair, *member[-2:]))
    return {name: [row[position] for row in rows] for position, name in enumerate(names)}


def test_families_are_selected_and_corrected_as_statsmodels_does():
    rng = np.random.default_rng(11)
    for _ in range(50):
        families, p_values = {}, []
        for number in range(8):
            count = rng.integers(200, 600, 4)
            won = rng.binomial(count, rng.choice([0.4, 0.4, 0.4, 0.55], 4))
            families["single", f"d{number}", "all"] = list(zip(won.tolist(), count.tolist(), strict=True))
            p_values.append(chi2_contingency([won, count - won], correction=False).pvalue)
        found = tests.judge(rows_of(families), 30, 0.05)
        selected, q_values, *_ = multipletests(p_values, 0.05, method="fdr_bh")
        close(found["family_q_value"], np.repeat(q_values, 4))
        assert (found["tier_selected_family_count"] == selected.sum()).all() and (found["tier_family_count"] == 8).all()
        assert np.isnan(found["step_down_p_value"]).tolist() == np.repeat(~selected, 4).tolist()
        threshold = found["step_down_threshold"][np.repeat(selected, 4)]
        close(threshold, np.full(len(threshold), 0.05 * selected.sum() / 8))
        is_signal = found["verdict"] == "signal"
        assert (is_signal == (found["segment_q_value"] <= 0.05)).all()
        assert not is_signal[np.repeat(~selected, 4)].any()


def test_what_can_not_be_judged_says_why():
    families = {
        (None, "all", "all"): [(500, 1000)],
        ("single", "all won", "all"): [(40, 40), (50, 50)],
        ("single", "one segment", "all"): [(500, 1000)],
        ("single", "one large segment", "all"): [(480, 960), (10, 20), (10, 20)],
        ("single", "small", "all"): [(0, 0), (1, 1), (29, 29)],
        ("pair", "one row x several", "all"): [("a", "x", 30, 100), ("a", "y", 40, 100)],
        ("pair", "diagonal", "all"): [("a", "x", 30, 100), ("b", "y", 40, 100)],
        ("pair", "all lost", "all"): [("a", "x", 0, 100), ("a", "y", 0, 100), ("b", "x", 0, 100), ("b", "y", 0, 100)],
    }
    found = tests.judge(rows_of(families), 30, 0.05)
    assert found["verdict"].tolist() == ["not_computable"] * 5 + ["insufficient_n"] * 5 + ["not_computable"] * 8
    assert np.isnan(found["family_p_value"]).all() and np.isnan(found["segment_q_value"]).all()
    assert np.isnan(found["family_q_value"]).all() and (found["tier_family_count"] == 0).all()


def test_estimates_of_nothing_are_unknown():
    rows = {name: [0] for name in estimates.SUMS} | {"segment_dimension": ["all"], "segment_value": ["all"], "period": ["all"]}
    found = estimates.estimate(rows, 0.95, 50)
    for name in estimates.ESTIMATES:
        assert np.isnan(found[name]).all(), name
    one_deal = {name: [1] for name in estimates.SUMS} | {"segment_dimension": ["all"], "segment_value": ["all"], "period": ["all"]}
    found = estimates.estimate(one_deal, 0.95, 50)
    close(found["win_rate_upper"], [1])
    close(found["amount_win_rate_lower"], found["win_rate_lower"])
    assert np.isnan(found["vs_rest_difference"]).all() and np.isnan(found["size_effect_lower"]).all()


def test_a_pair_that_only_adds_up_is_no_signal_and_one_that_does_not_is():
    # Main effects of +0.1 each leave nothing to the pair; 20 points on one cell of nine are an interaction.
    additive = [(f"{i}", f"{j}", round(400 / (1 + np.exp(-(0.4 * i + 0.4 * j - 0.8)))), 400) for i in range(3) for j in range(3)]
    special = [(i, j, won + 80 * (i == "1" and j == "1"), count) for i, j, won, count in additive]
    found = tests.judge(rows_of({("pair", "a x b", "all"): additive, ("pair", "a x c", "all"): special}), 30, 0.05)
    assert (found["verdict"][:9] == "no_signal").all()
    assert (found["verdict"][9:] == "signal").tolist() == [number == 4 for number in range(9)]


# Verdicts over many CRMs

DIMENSIONS = {"industry": 5, "region": 4, "product_type": 3, "lead_source": 4, "deal_size_band": 4, "sales_rep_id": 25}


def draw_crm(rng, deals=5000, points=0.0):
    """Input of judge for one CRM like the real one; the first source wins `points` more often."""
    values = {name: rng.integers(0, size, deals) for name, size in DIMENSIONS.items()}
    won = rng.random(deals) < 0.45 + points * (values["lead_source"] == 0)
    bands, quarter = rng.integers(0, 4, deals), rng.integers(0, 8, deals)
    families = {}

    def add(tier, dimension, period, codes, size, kept, names=None):
        count, wins = np.bincount(codes[kept], minlength=size), np.bincount(codes[kept], won[kept], size).astype(int)
        labels = names or [()] * size
        families[tier, dimension, period] = [(*label, w, n) for label, w, n in zip(labels, wins, count, strict=True)]

    everything = np.ones(deals, bool)
    for name, size in DIMENSIONS.items():
        add("single", name, "all", values[name], size, everything)
        add("period", name, "last_4_quarters", values[name], size, quarter >= 4)
        add("period", name, "prior_4_quarters", values[name], size, quarter < 4)
    add("single", "cycle_band", "all", bands, 4, everything)
    for one, two in combinations(DIMENSIONS, 2):
        names = [(f"{i}", f"{j}") for i in range(DIMENSIONS[one]) for j in range(DIMENSIONS[two])]
        add("pair", f"{one} x {two}", "all", values[one] * DIMENSIONS[two] + values[two], len(names), everything, names)
    return rows_of(families)


def simulate(seeds, **effects):
    """Share of CRMs with a signal, by tier and any; with the first source found, with an innocent source flagged."""
    shares = []
    for seed in seeds:
        rows = draw_crm(np.random.default_rng(seed), **effects)
        is_signal = tests.judge(rows, 30, 0.05)["verdict"] == "signal"
        tiers, dimensions, values = (np.array(rows[name]) for name in ("verdict_tier", "segment_dimension", "segment_value"))
        source = (tiers == "single") & (dimensions == "lead_source")
        shares.append(
            [is_signal.any(), *((is_signal & (tiers == tier)).any() for tier in ("single", "pair", "period"))]
            + [(is_signal & source & (values == "0")).any(), (is_signal & source & (values != "0")).any()]
        )
    names = ("any", "single", "pair", "period", "found", "innocent")
    return dict(zip(names, np.mean(shares, axis=0).tolist(), strict=True))


def test_noise_is_seldom_a_signal():
    # Over 2,000 CRMs of pure noise: 3.5 % have a signal among single dimensions, 1.5 % among pairs, 3 % among periods, 7 % in any
    # tier. In 200, twice that has a chance of about 1 in 500 or less.
    shares = simulate(range(200))
    assert shares["any"] <= 0.14 and max(shares["single"], shares["period"]) <= 0.08 and shares["pair"] <= 0.05


def test_a_source_that_wins_more_is_found_and_the_others_are_left_alone():
    # Over 1,000 CRMs: found in 95 %, another source flagged in 1 %.
    shares = simulate(range(1000, 1100), points=0.08)
    assert shares["found"] >= 0.87 and shares["innocent"] <= 0.06
