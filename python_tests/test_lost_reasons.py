"""rpt_lost_reasons and competitors: statistics against scipy and statsmodels, noise, and what the generator planted over several seeds."""

from itertools import pairwise

import numpy as np
import pandas
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, chi2_contingency, norm
from statsmodels.stats.proportion import proportion_confint

from models.win_rates import int_lost_reason_tests as tests
from models.win_rates import int_segment_win_rate_tests as segments
from tools import crm
from tools.simulations.settings import model_settings

pytestmark = pytest.mark.filterwarnings("error")
SEEDS = range(1, 9)
SETTINGS = tests.Settings(**model_settings("int_lost_reason_tests"))
SEGMENT_SETTINGS = segments.Settings(**model_settings("int_segment_win_rate_tests"), fdr_level=0.05)


def estimate(newer, older, level=0.05):
    columns = {"lost_reason": [f"reason {each}" for each in range(len(newer))], "lost_deal_count": list(newer)}
    return tests.estimate(columns | {"previous_lost_deal_count": list(older)}, SETTINGS, level)


def score_limit(hits, others, quantile, side):
    """End of the interval of the difference of two shares, by numeric maximum likelihood under each difference and a root of its z."""
    count = [sum(pair) for pair in zip(hits, others, strict=True)]

    def z(difference):
        def loss(rate):
            return -sum(binom.logpmf(hit, n, share) for hit, n, share in zip(hits, count, (rate + difference, rate), strict=True))

        ends = max(1e-9, 1e-9 - difference), min(1 - 1e-9, 1 - 1e-9 - difference)
        rate = minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
        rates = rate + difference, rate
        error = sum(share * (1 - share) / n for share, n in zip(rates, count, strict=True)) ** 0.5
        return (hits[0] / count[0] - hits[1] / count[1] - difference) / error

    estimate = hits[0] / count[0] - hits[1] / count[1]
    return brentq(lambda difference: z(difference) + side * quantile, *sorted((estimate, estimate + side * 0.4)))


def test_shares_their_change_and_p_values_are_those_of_statsmodels_and_scipy():
    newer, older = np.array([120, 60, 45, 33, 5]), np.array([70, 75, 40, 31, 2])
    found = estimate(newer, older)
    for row, (one, other) in enumerate(zip(newer, older, strict=True)):
        for prefix, hits, count in (("", one, newer.sum()), ("previous_", other, older.sum())):
            interval = [found[f"{prefix}lost_share_{end}"][row] for end in ("lower", "upper")]
            assert interval == pytest.approx(proportion_confint(hits, count, method="wilson"))
    # Four reasons are judged; the fifth is too small, alone and as a group. The first stands out, so it is no part of what the others are shares of.
    assert list(found["verdict"]) == ["signal", "no_signal", "no_signal", "no_signal", "insufficient_n"]
    assert list(found["reference_reasons"][:2]) == ["reason 1, reason 2, reason 3", "reason 2, reason 3"]
    quantile = norm.ppf(1 - 0.05 / 4 / 2)
    for row, reference in enumerate(([1, 2, 3], [2, 3], [1, 3], [1, 2])):
        hits, others = (newer[row], older[row]), (newer[reference].sum(), older[reference].sum())
        p_value = chi2_contingency([hits, others], correction=False).pvalue
        assert (found["p_value"][row], found["adjusted_p_value"][row]) == pytest.approx((p_value, min(1, 4 * p_value)))
        assert (found["compared_lost_deal_count"][row], found["previous_compared_lost_deal_count"][row]) == (
            hits[0] + others[0],
            hits[1] + others[1],
        )
        assert found["share_change"][row] == pytest.approx(hits[0] / (hits[0] + others[0]) - hits[1] / (hits[1] + others[1]))
        for end, side in (("lower", -1), ("upper", 1)):
            assert found[f"share_change_{end}"][row] == pytest.approx(score_limit(hits, others, quantile, side), abs=1e-5)


def test_reasons_that_begin_to_be_recorded_are_no_change_of_reasons():
    """Half of the losses had no reason before, now one in ten has none: None recorded is what changed."""
    found = estimate([50, 225, 225], [250, 125, 125])
    assert list(found["verdict"]) == ["signal", "no_signal", "no_signal"]
    assert list(found["share_change"][1:]) == [0, 0]


def test_two_reasons_are_one_contrast():
    found = estimate([150, 50], [100, 80])
    assert found["p_value"][0] == pytest.approx(found["p_value"][1]) and list(found["verdict"]) == ["signal", "signal"]
    assert found["share_change"][0] == pytest.approx(-found["share_change"][1])
    assert found["share_change_lower"][0] == pytest.approx(-found["share_change_upper"][1])
    assert found["adjusted_p_value"][0] == found["p_value"][0]


def test_small_reasons_stand_together():
    found = estimate([120, 20, 15, 9, 10], [60, 5, 12, 10, 14])
    assert list(found["verdict"][1:]) == ["insufficient_n"] * 4 and found["missing_reason"][1] == "too few lost deals"
    assert (found["verdict"][0], found["reference_reasons"][0]) == ("no_signal", "small reasons together")
    assert (found["compared_lost_deal_count"][0], found["previous_compared_lost_deal_count"][0]) == (174, 101)


def test_too_little_to_judge():
    for newer, older, verdict in (
        ([200], [100], "not_computable"),
        ([200, 0], [100, 0], "not_computable"),
        ([200, 9], [100, 9], "not_computable"),  # nothing to compare it with: the other one is too small
        ([25, 3], [0, 0], "insufficient_n"),
        ([200, 100], [10, 10], "insufficient_n"),
    ):
        found = estimate(newer, older)
        assert (found["verdict"][0], found["missing_reason"][0] is None) == (verdict, False) and np.isnan(found["share_change"][0])
    assert len(estimate([], [])["verdict"]) == 0


def test_noise_raises_a_signal_in_at_most_one_of_twenty():
    rng = np.random.default_rng(7)
    shares = [0.4, 0.25, 0.2, 0.1, 0.05]
    draws = [estimate(rng.multinomial(900, shares), rng.multinomial(700, shares)) for _ in range(1_000)]
    share = np.mean([(found["verdict"] == "signal").any() for found in draws])
    # 5 % and three standard errors; and the test isn't blind.
    assert 0.02 < share < 0.071


def test_a_reason_that_grows_flags_no_other():
    rng = np.random.default_rng(8)
    before = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    now = (before + [0.2, 0, 0, 0, 0]) / 1.2
    signals = np.array([estimate(rng.multinomial(900, now), rng.multinomial(700, before))["verdict"] == "signal" for _ in range(400)])
    assert signals[:, 0].mean() > 0.85 and signals[:, 1:].any(axis=1).mean() < 0.07


def test_verdict_interval_direction_and_p_value_agree_in_random_tables():
    """2 to 40 reasons, none to all of which change, in many and in few lost deals."""
    rng, judged, found = np.random.default_rng(9), 0, 0
    for _ in range(600):
        size, level = rng.integers(2, 41), float(rng.choice([0.01, 0.02, 0.05]))
        before = rng.dirichlet(np.ones(size) * rng.choice([0.5, 2, 10]))
        now = before * np.exp(rng.normal(0, rng.choice([0, 0.3, 1]), size) * (rng.random(size) < rng.random()))
        row = estimate(rng.multinomial(rng.integers(0, 3_000), now / now.sum()), rng.multinomial(rng.integers(0, 3_000), before), level)
        is_judged, is_signal = np.isin(row["verdict"], ["signal", "no_signal"]), row["verdict"] == "signal"
        assert (is_judged == np.isfinite(row["p_value"])).all() and (is_judged == np.equal(row["missing_reason"], None)).all()
        assert (is_signal == ((row["share_change_lower"] > 0) | (row["share_change_upper"] < 0))).all()
        assert (is_signal == (row["adjusted_p_value"] <= level)).all()
        change, shrunk = row["share_change"][is_judged], row["shrunk_share_change"][is_judged]
        assert ((row["share_change_lower"][is_judged] <= change) & (change <= row["share_change_upper"][is_judged])).all()
        assert (change * shrunk >= 0).all()
        judged, found = judged + is_judged.sum(), found + is_signal.sum()
    assert judged > 4_000 and found > 400


def lost_reason_counts(lives: crm.Lives) -> list[np.ndarray]:
    """Lost deals of each reason in the last year, and in the year before."""
    starts = [crm.days(crm.AS_OF) + 1, *(crm.days(crm.AS_OF.replace(year=crm.AS_OF.year - back, month=1, day=1)) for back in (0, 1))]
    periods = [~lives.won & (lives.closed_day < end) & (lives.closed_day >= start) for end, start in pairwise(starts)]
    return [np.bincount(lives.lost_reason[inside], minlength=len(crm.LOST_REASONS)) for inside in periods]


def competitor_verdicts(lives: crm.Lives) -> dict[str, str]:
    closed = lives.closed_day <= crm.days(crm.AS_OF)
    names = [name or "None recorded" for name in crm.COMPETITORS]
    counts = [np.bincount(lives.competitor[rows], minlength=len(names)) for rows in (closed, closed & lives.won)]
    same = {
        "segment_dimension": "competitor",
        "period": "all",
        "verdict_tier": "single",
        "first_segment_value": None,
        "second_segment_value": None,
        "account_count": None,
        "squared_deal_count": None,
    }
    columns = {name: [value] * len(names) for name, value in same.items()}
    columns |= {"segment_value": names, "closed_deal_count": list(counts[0]), "won_deal_count": list(counts[1])}
    return dict(zip(names, segments.judge(columns, {}, SEGMENT_SETTINGS)["verdict"], strict=True))


@pytest.mark.parametrize("effects", [crm.PLANTED, crm.NO_EFFECTS], ids=["planted", "null"])
def test_the_planted_reason_and_competitor_are_found(effects):
    """In CRMs of 3,000 deals, from the counts as the marts take them; in the null CRM nothing is but by chance."""
    reasons, competitors = [], []
    for seed in SEEDS:
        lives = crm.draw_lives(seed, 3_000, 0, 3_000, effects, 2)
        verdicts = estimate(*lost_reason_counts(lives))["verdict"]
        reasons.append({name for name, verdict in zip(crm.LOST_REASONS, verdicts, strict=True) if verdict == "signal"})
        competitors.append({name for name, verdict in competitor_verdicts(lives).items() if verdict == "signal"})
    if effects is crm.PLANTED:
        assert sum("Price" in found for found in reasons) >= 7 and sum("Cobalt" in found for found in competitors) >= 7
        assert sum(found - {"Price"} != set() for found in reasons) + sum(found - {"Cobalt"} != set() for found in competitors) <= 2
    else:
        assert sum(map(bool, reasons)) + sum(map(bool, competitors)) <= 3


def test_lost_deals_of_the_demo_are_counted_as_pandas_counts_them(demo):
    deals = demo.frame("select * from marts.fct_deals where outcome = 'Lost'")
    deals = deals.assign(lost_reason=deals.lost_reason.fillna("None recorded"), lost_amount=deals.deal_amount.astype(float))
    reasons = demo.frame("select * from marts.rpt_lost_reasons").set_index("lost_reason")
    start, end, before = (
        pandas.Timestamp(reasons[name].iloc[0]) for name in ("period_start_date", "period_end_date", "previous_period_start_date")
    )
    closed = pandas.to_datetime(deals.closed_date)
    for prefix, inside in (
        ("", (closed >= start) & (closed <= end)),
        ("previous_", (closed >= before) & (closed < start)),
        ("total_", closed == closed),
    ):
        expected = deals[inside].groupby("lost_reason").lost_amount.agg(["size", "sum"])
        found = reasons.loc[expected.index]
        assert len(expected) == len(reasons) == 4
        assert list(found[f"{prefix}lost_deal_count"]) == list(expected["size"])
        assert list(found[f"{prefix}lost_amount"].astype(float)) == pytest.approx(list(expected["sum"]))
        assert list(found[f"{prefix}lost_share"]) == pytest.approx(list(expected["size"] / expected["size"].sum()))
    assert list(reasons.index[reasons.verdict == "signal"]) == ["Price"] and reasons.share_change["Price"] > 0


def test_competitors_of_the_demo_are_segments_known_after_the_close(demo):
    deals = demo.frame(
        "select coalesce(competitor, 'None recorded') as competitor, is_won, deal_amount::double as amount from marts.fct_deals where not is_open"
    )
    rows = demo.frame("select * from marts.rpt_segment_win_rates where segment_dimension = 'competitor'").set_index("segment_value")
    expected = (
        deals.groupby("competitor").agg(closed=("is_won", "size"), won=("is_won", "sum"), median=("amount", "median")).loc[rows.index]
    )
    assert len(rows) == 4 and set(rows.period) == {"all"} and rows.is_known_only_after_close.all()
    assert list(rows.closed_deal_count) == list(expected.closed) and list(rows.won_deal_count) == list(expected.won)
    assert list(rows.median_deal_amount) == list(expected["median"])
    assert list(rows.index[rows.verdict == "signal"]) == ["Cobalt"] and rows.vs_reference_difference["Cobalt"] < 0
