"""rpt_lost_reasons and competitors: statistics against scipy and statsmodels, noise, and what the generator planted over several seeds."""

from itertools import pairwise

import numpy as np
import pandas
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from models.win_rates import int_lost_reason_tests as tests
from models.win_rates import int_segment_win_rate_tests as segments
from tools import crm

pytestmark = pytest.mark.filterwarnings("error")
SEEDS = range(1, 9)


def estimate(newer, older, min_deals=30):
    return tests.estimate({"lost_deal_count": list(newer), "previous_lost_deal_count": list(older)}, min_deals, 0.95, 0.05)


def test_shares_their_change_and_p_values_are_those_of_statsmodels_and_scipy():
    newer, older = np.array([120, 60, 45, 33, 5]), np.array([70, 75, 40, 31, 2])
    found = estimate(newer, older)
    n, m = newer.sum(), older.sum()
    for row, (one, other) in enumerate(zip(newer, older, strict=True)):
        for prefix, hits, count in (("", one, n), ("previous_", other, m)):
            interval = [found[f"{prefix}lost_share_{end}"][row] for end in ("lower", "upper")]
            assert interval == pytest.approx(proportion_confint(hits, count, method="wilson"))
        change = [found[f"share_change_{end}"][row] for end in ("lower", "upper")]
        assert change == pytest.approx(confint_proportions_2indep(one, n, other, m, method="newcomb", compare="diff"))
        table = [[one, n - one], [other, m - other]]
        assert found["p_value"][row] == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    # Four reasons are judged, the fifth is the rest.
    assert found["family_p_value"] == pytest.approx([chi2_contingency([newer, older]).pvalue] * 5)
    assert list(found["verdict"]) == ["signal", "no_signal", "no_signal", "no_signal", "insufficient_n"]
    assert found["q_value"][0] == pytest.approx(max(4 * found["p_value"][0], found["family_p_value"][0]))
    # Without the first reason's deals the second is no smaller a part than it was.
    left = chi2_contingency([[60, n - 120 - 60], [75, m - 70 - 75]], correction=False).pvalue
    assert found["q_value"][1] == pytest.approx(min(1.0, 3 * left))


def test_reasons_that_begin_to_be_recorded_are_no_change_of_reasons():
    """Half of the losses had no reason before, now one in ten has none: None recorded is what changed."""
    found = estimate([50, 225, 225], [250, 125, 125])
    assert (found["p_value"] < 0.001).all()
    assert list(found["verdict"]) == ["signal", "no_signal", "no_signal"]


def test_too_little_to_judge():
    assert list(estimate([200], [100])["verdict"]) == ["not_computable"]
    assert list(estimate([25, 3], [0, 0])["verdict"]) == ["insufficient_n"] * 2
    assert list(estimate([200, 100], [10, 10])["verdict"]) == ["insufficient_n"] * 2
    assert len(estimate([], [])["verdict"]) == 0


def test_noise_raises_a_signal_in_at_most_one_of_twenty():
    rng = np.random.default_rng(7)
    shares = [0.4, 0.25, 0.2, 0.1, 0.05]
    draws = [estimate(rng.multinomial(900, shares), rng.multinomial(700, shares)) for _ in range(1_000)]
    share = np.mean([(found["verdict"] == "signal").any() for found in draws])
    # 5 % and three standard errors; and the test isn't blind.
    assert 0.02 < share < 0.071


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
    }
    columns = {name: [value] * len(names) for name, value in same.items()}
    columns |= {"segment_value": names, "closed_deal_count": list(counts[0]), "won_deal_count": list(counts[1])}
    return dict(zip(names, segments.judge(columns, 30, 0.05)["verdict"], strict=True))


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
    assert list(rows.index[rows.verdict == "signal"]) == ["Cobalt"] and rows.vs_rest_difference["Cobalt"] < 0
