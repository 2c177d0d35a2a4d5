"""Deals that are left out unequally often, by outcome: the test against scipy, hand-computed bounds, and no figure that only the deals that remain
would give."""

import datetime
import random

import numpy as np
import pytest
from conftest import Build, run_dbt, write_deals
from scipy import stats

from inference.significance import fisher_exact
from models.input.int_missing_by_outcome import compare

LEVEL, LEAST = 0.001, 0.02
AS_OF = datetime.date(2024, 12, 31)
MARTS = (
    "+fct_deals +rpt_data_quality +rpt_segment_win_rates +fct_deal_scores +fct_deal_values +rpt_win_rate_trend +rpt_pipeline_value_backtest"
)


@pytest.mark.parametrize("seed", range(20))
def test_fishers_exact_test_is_that_of_scipy(seed):
    chance = np.random.default_rng(seed)
    count, other = (int(each) for each in chance.integers(1, 400, 2))
    hits, other_hits = int(chance.binomial(count, 0.2)), int(chance.binomial(other, 0.3))
    expected = stats.fisher_exact([[hits, count - hits], [other_hits, other - other_hits]]).pvalue
    assert fisher_exact(hits, count, other_hits, other) == pytest.approx(expected, rel=1e-6)


def counts(won, won_missing, lost, lost_missing):
    return {"won_deal_count": won, "won_missing_count": won_missing, "lost_deal_count": lost, "lost_missing_count": lost_missing}


def test_bounds_by_hand():
    # 106 of 258 were won; of the 189 that remain 106; if the 69 were won, 106 + 69 of 258.
    found = compare(counts(106, 0, 152, 69), LEVEL, LEAST)
    assert found["all_win_rate"] == pytest.approx(106 / 258)
    assert found["known_win_rate"] == pytest.approx(106 / 189)
    assert found["win_rate_if_missing_lost"] == pytest.approx(106 / 258)
    assert found["win_rate_if_missing_won"] == pytest.approx(175 / 258)
    assert found["is_outcome_dependent"] and found["is_bending"]


@pytest.mark.parametrize(
    ("won", "won_missing", "lost", "lost_missing", "is_dependent", "is_bending"),
    [
        (100, 30, 150, 45, False, False),  # equal shares
        (10, 0, 10, 5, False, False),  # chance explains it: p is 0.03
        (50_000, 500, 50_000, 1_250, False, False),  # beyond chance, but 1.5 points
        (40_000, 400, 60_000, 2_400, True, False),  # 1 and 4 %: the rate moves by 0.7 points
        (400, 0, 600, 600, True, True),  # no lost deal remains
        (400, 400, 600, 600, False, False),  # nothing remains
        (0, 0, 600, 300, False, False),  # none was won
        (0, 0, 0, 0, False, False),
    ],
)
def test_unequal_shares_are_found_beyond_chance_and_two_points(won, won_missing, lost, lost_missing, is_dependent, is_bending):
    found = compare(counts(won, won_missing, lost, lost_missing), LEVEL, LEAST)
    assert (found["is_outcome_dependent"], found["is_bending"]) == (is_dependent, is_bending)


def crm(lost_without_amount: float, lost_without_date: float, seed: int = 4) -> list[str]:
    """700 deals, 40 % of the closed ones won whatever else is known of them; open ones have amounts."""
    chance = random.Random(seed)
    rows = []
    for number in range(700):
        created = AS_OF - datetime.timedelta(days=chance.randrange(640))
        closed = created + datetime.timedelta(days=1 + int(chance.gammavariate(2, 20)))
        amount, is_open, is_won = 1000 + chance.randrange(9000), closed > AS_OF, chance.random() < 0.4
        if not is_open and not is_won:
            amount = "" if chance.random() < lost_without_amount else amount
            closed = "" if chance.random() < lost_without_date else closed
        rows.append(
            f"D{number},{created},{'' if is_open else closed},rep_{chance.randrange(4)},{chance.choice(['SaaS', 'Retail'])},Europe,Core,"
            f"{chance.choice(['Inbound', 'Outbound'])},{'Demo' if is_open else 'Closed'},{amount},,{'' if is_open else 'Won' if is_won else 'Lost'}"
        )
    return rows


@pytest.fixture(scope="module", params=["no amount", pytest.param("no close date", marks=pytest.mark.campaign)])
def build(request, tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("missing")
    rows = crm(0.9, 0.0) if request.param == "no amount" else crm(0.0, 0.9)
    variables = {"deals_file": write_deals(folder / "deals.csv", *rows), "as_of_date": str(AS_OF)}
    found = run_dbt(folder / "x.duckdb", variables, select=MARTS, with_tests=False).check()
    found.problem = request.param.replace(" ", "_")
    return found


def truth(build: Build) -> float:
    [(won, closed)] = build.query("select count(*) filter (is_won), count(*) filter (not is_open) from marts.fct_deals")
    return won / closed


def test_the_finding_names_both_shares_and_bounds(build):
    [(is_warning, message)] = build.query(
        f"select is_warning, message from marts.rpt_data_quality where check_name = 'outcome_dependent_loss: {build.problem}'"
    )
    assert is_warning
    assert " won (0.0 %)" in message and "more unequal than chance explains" in message
    assert f"with them {100 * truth(build):.1f} % were won" in message
    others = build.query("select count(*) from marts.rpt_data_quality where check_name like 'outcome_dependent_loss%' and is_finding")
    assert others == [(1,)]


def test_win_rates_hold_all_closed_deals(build):
    [(rate,)] = build.query("select win_rate from marts.rpt_segment_win_rates where segment_dimension = 'all' and period = 'all'")
    assert rate == pytest.approx(truth(build))
    assert 0.35 < rate < 0.45


def test_probabilities_of_open_deals_are_not_those_of_the_deals_that_remain(build):
    """Of the deals that remain about 87 % were won: an open deal is no likelier to be won than any other."""
    scores = [score for (score,) in build.query("select win_probability from marts.fct_deal_scores")]
    values = [value for (value,) in build.query("select rapv_probability from marts.fct_deal_values where rapv_probability is not null")]
    assert scores and values
    assert abs(np.mean(scores) - truth(build)) < 0.1
    assert abs(np.mean(values) - truth(build)) < 0.15


def test_periods_say_that_they_lack_deals_and_past_pipelines_are_not_evaluated(build):
    findings = build.query("select finding from marts.rpt_win_rate_trend where basis = 'closed_date'")
    assert findings
    assert all(("Not in it: " in finding) == (build.problem == "no_close_date") for (finding,) in findings)
    assert build.query("select count(*) from marts.rpt_pipeline_value_backtest where is_evaluable") == [(0,)]
