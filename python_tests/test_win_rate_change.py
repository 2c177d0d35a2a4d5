"""rpt_win_rate_change: its SQL against a decomposition written deal by deal, its statistics against statsmodels, scipy and simulation."""

import datetime

import numpy as np
import pytest
from conftest import run_dbt, write_deals
from scipy.stats import false_discovery_control
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from models.win_rates import int_win_rate_change_tests as tests

pytestmark = pytest.mark.filterwarnings("error")


QUANTILE = 1.959963984540054


def columns_of(older, newer, dimension="region"):
    """Input of estimate for one comparison; `older`, `newer`: rows (count, won) of each segment."""
    older, newer = (np.asarray(period) for period in (older, newer))
    size = len(older)
    return {
        "period_type": ["quarter"] * size,
        "period_start_date": [datetime.date(2024, 4, 1)] * size,
        "segment_dimension": [dimension] * size,
        "segment_value": [f"{number:03d}" for number in range(size)],
        "closed_deal_count": newer[:, 0],
        "won_deal_count": newer[:, 1],
        "previous_closed_deal_count": older[:, 0],
        "previous_won_deal_count": older[:, 1],
        "all_deal_count": [newer[:, 0].sum()] * size,
        "previous_all_deal_count": [older[:, 0].sum()] * size,
        "all_win_rate": [newer[:, 1].sum() / newer[:, 0].sum()] * size,
        "previous_all_win_rate": [older[:, 1].sum() / older[:, 0].sum()] * size,
    }


def joined(*parts):
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def draw(rng, size, shares, rates):
    counts = rng.multinomial(size, shares)
    return np.column_stack([counts, rng.binomial(counts, rates)])


def kitagawa(older, newer, assumed):
    """(rate effect, mix effect) by segment in plain loops; an absent rate is `assumed`, and the whole piece is mix."""
    (size, won), (new_size, new_won) = older.sum(0), newer.sum(0)
    middle, found = (won / size + new_won / new_size) / 2, []
    for (count, wins), (new_count, new_wins) in zip(older.tolist(), newer.tolist(), strict=True):
        share, new_share = count / size, new_count / new_size
        rate, new_rate = (w / c if c else assumed for w, c in ((wins, count), (new_wins, new_count)))
        by_rate, by_mix = (share + new_share) / 2 * (new_rate - rate), (new_share - share) * ((rate + new_rate) / 2 - middle)
        found.append((by_rate, by_mix) if count and new_count else (0.0, by_rate + by_mix))
    return np.array(found)


def effects(older, newer):
    changes = tests.Changes(columns_of(older, newer))
    return np.column_stack([changes.rate_effect(QUANTILE)[0], changes.mix_effect()[0]])


def test_effects_are_kitagawas_and_add_up_whatever_comes_and_goes():
    rng = np.random.default_rng(1)
    for _ in range(300):
        size = rng.integers(1, 30)
        older, newer = (draw(rng, rng.integers(1, 800), rng.dirichlet(np.full(size, 0.3)), rng.random(size)) for _ in range(2))
        seen = (older[:, 0] + newer[:, 0]) > 0
        older, newer = older[seen], newer[seen]
        found = effects(older, newer)
        # The rate that is assumed where there is no deal makes no difference.
        for assumed in (0.1, 0.9):
            np.testing.assert_allclose(found, kitagawa(older, newer, assumed), rtol=0, atol=1e-12)
        change = newer[:, 1].sum() / newer[:, 0].sum() - older[:, 1].sum() / older[:, 0].sum()
        assert abs(found.sum() - change) < 1e-12
        dimension = tests.Changes(columns_of(older, newer)).of_dimension(np.arange(len(older)), QUANTILE)
        np.testing.assert_allclose(
            [dimension["dimension_rate_effect"], dimension["dimension_mix_effect"]], found.sum(0), rtol=0, atol=1e-12
        )


def test_the_total_is_newcombes_interval_and_the_pooled_z_test():
    rng = np.random.default_rng(2)
    for _ in range(100):
        older, newer = ([(int(n), int(rng.integers(0, n + 1)))] for n in rng.integers(5, 900, 2))
        found = tests.estimate(columns_of(older, newer, "all"), 1, 0.95, 0.05)
        ((count, won),), ((new_count, new_won),) = older, newer
        expected = confint_proportions_2indep(new_won, new_count, won, count, compare="diff", method="newcomb")
        np.testing.assert_allclose([found["rate_effect_lower"][0], found["rate_effect_upper"][0]], expected, atol=1e-9)
        if 0 < won + new_won < count + new_count:
            p_value = proportions_ztest([new_won, won], [new_count, count])[1]
            np.testing.assert_allclose(found["rate_p_value"][0], p_value, rtol=1e-9, atol=1e-12)
        assert found["mix_verdict"][0] == "not_computable" and np.isnan(found["mix_p_value"][0])
        np.testing.assert_allclose(found["mix_effect_upper"][0], 0, atol=1e-12)


@pytest.mark.parametrize("size", [150, 1000])
def test_intervals_cover_the_truth(size):
    # Truth: the effects of the expected counts. Shares and rates that move, a segment that vanishes, and one that stays as it is.
    shares = np.array([[0.3, 0.3, 0.2, 0.1, 0.1], [0.5, 0.2, 0.2, 0.1, 0.0]])
    rates = np.array([[0.6, 0.3, 0.4, 0.5, 0.2], [0.5, 0.4, 0.4, 0.2, 0.2]])
    overall = (shares * rates).sum(1)
    truth = {
        "rate": np.where(shares[1] > 0, shares.mean(0) * (rates[1] - rates[0]), 0),
        "mix": (shares[1] - shares[0]) * (rates.mean(0) - overall.mean()),
    }
    truth["mix"][4] = -shares[0, 4] * (rates[0, 4] - overall.mean())
    rng, runs = np.random.default_rng(3), 400
    held = {name: np.zeros(5) for name in truth} | {"dimension_rate": 0, "dimension_mix": 0}
    for _ in range(runs):
        found = tests.estimate(columns_of(*(draw(rng, size, shares[period], rates[period]) for period in (0, 1))), 30, 0.95, 0.05)
        for effect in truth:
            lower, upper = found[f"{effect}_effect_lower"], found[f"{effect}_effect_upper"]
            held[effect] += np.isnan(lower) | ((lower <= truth[effect] + 1e-12) & (truth[effect] - 1e-12 <= upper))
            lower, upper = (found[f"dimension_{effect}_effect_{end}"][0] for end in ("lower", "upper"))
            held[f"dimension_{effect}"] += lower <= truth[effect].sum() <= upper
    for effect in ("rate", "mix"):
        assert (held[effect] / runs >= 0.92).all(), held
        assert 0.92 <= held[f"dimension_{effect}"] / runs, held
    # They aren't simply wide: where both factors of an effect are far from 0, coverage is what it claims.
    assert (held["rate"][[0, 1, 3]] / runs <= 0.99).all() and held["mix"][0] / runs <= 0.99, held


def test_verdicts_follow_families_of_effects():
    rng = np.random.default_rng(4)
    flat = np.full((2, 4), 0.4)
    steady = columns_of(*(draw(rng, 1200, np.full(4, 0.25), rates) for rates in flat), "industry")
    fell = columns_of(*(draw(rng, 1200, np.full(4, 0.25), rates) for rates in ([0.5, 0.4, 0.4, 0.4], [0.1, 0.4, 0.4, 0.4])))
    moved_shares = ([0.1, 0.3, 0.3, 0.3], [0.4, 0.2, 0.2, 0.2])
    moved = columns_of(*(draw(rng, 1200, shares, [0.9, 0.3, 0.3, 0.3]) for shares in moved_shares), "lead_source")
    # Another type of period is judged with them.
    columns = joined(steady | {"period_type": ["month"] * 4}, fell, moved)
    found = tests.estimate(columns, 30, 0.95, 0.05)
    signals = {
        (columns["segment_dimension"][row], columns["segment_value"][row]) for row in np.flatnonzero(found["rate_verdict"] == "signal")
    }
    assert signals == {("region", "000")}
    mix = {(columns["segment_dimension"][row], columns["segment_value"][row]) for row in np.flatnonzero(found["mix_verdict"] == "signal")}
    assert ("lead_source", "000") in mix and {dimension for dimension, _ in mix} == {"lead_source"}

    families = [(effect, slice(start, start + 4)) for start in (0, 4, 8) for effect in ("rate", "mix")]
    q_values = [false_discovery_control(found[f"{effect}_p_value"][rows]) for effect, rows in families]
    for (effect, rows), expected in zip(families, q_values, strict=True):
        np.testing.assert_allclose(found[f"{effect}_q_value"][rows], expected, rtol=1e-9)
    family_q_values = false_discovery_control([values.min() for values in q_values])
    for (effect, rows), expected in zip(families, family_q_values, strict=True):
        np.testing.assert_allclose(found[f"{effect}_family_q_value"][rows], expected, rtol=1e-9)
    np.testing.assert_allclose(found["q_threshold"], 0.05 * np.mean(family_q_values <= 0.05))


def test_few_deals_are_not_judged():
    older, newer = [(400, 200), (29, 10), (40, 10), (10, 2)], [(400, 100), (300, 10), (0, 0), (10, 9)]
    found = tests.estimate(columns_of(older, newer), 30, 0.95, 0.05)
    assert found["rate_verdict"].tolist() == ["signal", "insufficient_n", "insufficient_n", "insufficient_n"]
    assert (found["mix_verdict"] == "insufficient_n").tolist() == [False, False, False, True]
    few = tests.estimate(columns_of([(20, 10), (9, 3)], [(300, 100), (300, 150)]), 30, 0.95, 0.05)
    assert few["mix_verdict"].tolist() == ["insufficient_n"] * 2 and np.isnan(few["q_threshold"]).all()
    assert np.isnan(tests.estimate(columns_of([(50, 50)], [(60, 60)], "all"), 30, 0.95, 0.05)["rate_p_value"]).all()
    assert tests.estimate({name: [] for name in columns_of([(1, 1)], [(1, 1)])}, 30, 0.95, 0.05)["rate_verdict"].size == 0


def noise_alarms(rng, quarters=6, size=500):
    """Does a CRM without any change, of four dimensions and some quarters, have a signal?"""
    parts, previous = [], {}
    for quarter in range(quarters):
        # The dimensions are drawn apart from each other, the total is that of the first one.
        period = {d: draw(rng, size, np.full(k, 1 / k), np.full(k, 0.45)) for d, k in {"a": 3, "b": 4, "c": 5, "d": 10}.items()}
        period["all"] = period["a"].sum(0, keepdims=True)
        for dimension, counts in period.items():
            if previous:
                part = columns_of(previous[dimension], counts, dimension)
                parts.append(part | {"period_start_date": [datetime.date(2020 + quarter, 1, 1)] * len(counts)})
        previous = period
    found = tests.estimate(joined(*parts), 30, 0.95, 0.05)
    return "signal" in found["rate_verdict"] or "signal" in found["mix_verdict"]


def test_noise_is_seldom_a_signal():
    # Two tiers at 5 % each: at most 10 % of CRMs. 100 draws; 20 or more would have a chance of 2 in 1,000 at that.
    rng = np.random.default_rng(5)
    assert sum(noise_alarms(rng) for _ in range(100)) < 20


def test_sql_and_statistics_agree_with_a_decomposition_of_the_deals(tmp_path):
    # Segments that come, go and pause, and one month in which nothing was closed.
    rng, rows = np.random.default_rng(6), []
    for number in range(1500):
        created = datetime.date(2023, 1, 10) + datetime.timedelta(days=int(rng.integers(0, 500)))
        closed = created + datetime.timedelta(days=int(rng.integers(1, 60)))
        if (closed.year, closed.month) == (2023, 11):
            continue
        region = ["East", "West", "South" if closed.month % 2 else "North"][rng.integers(0, 3)]
        outcome = "Won" if rng.random() < 0.5 else "Lost"
        rows.append((closed, region, outcome, f"{number},{created},{closed},R1,Tech,{region},Core,Web,Closed,500,1,{outcome}"))
    rows.append((datetime.date(2023, 2, 1), "East", "Won", "first,2023-01-01,2023-02-01,R1,Tech,East,Core,Web,Closed,500,1,Won"))
    deals_file = write_deals(tmp_path / "deals.csv", *(row[-1] for row in rows))
    build = run_dbt(tmp_path / "change.duckdb", {"deals_file": deals_file}, with_tests=False, select="+rpt_win_rate_change").check()

    last = max(row[0] for row in rows)
    expected = {}
    for period_type, months in (("month", 1), ("quarter", 3), ("half_year", 6)):
        counts = {}
        for closed, region, outcome, _ in rows:
            period = (closed.year * 12 + closed.month - 1) // months
            cell = counts.setdefault(period, {}).setdefault(region, [0, 0])
            cell[0], cell[1] = cell[0] + 1, cell[1] + (outcome == "Won")
        for period in counts:
            first, end = (datetime.date((period + n) * months // 12, (period + n) * months % 12 + 1, 1) for n in (0, 1))
            if period - 1 in counts and (period - 1) * months > 2023 * 12 and end <= last + datetime.timedelta(days=1):
                regions = sorted(counts[period] | counts[period - 1])
                older, newer = (np.array([counts[p].get(region, [0, 0]) for region in regions]) for p in (period - 1, period))
                for region, pair in zip(regions, kitagawa(older, newer, 0.5), strict=True):
                    expected[period_type, first, region] = pair

    found = build.query(
        "select period_type, period_start_date, segment_value, rate_effect, mix_effect from marts.rpt_win_rate_change"
        " where segment_dimension = 'region'"
    )
    assert {key[:3] for key in found} == set(expected) and len(found) == len(expected) > 40
    assert not any(key[:2] == ("month", datetime.date(2023, month, 1)) for key in found for month in (11, 12))
    np.testing.assert_allclose([row[3:] for row in found], [expected[row[:3]] for row in found], rtol=0, atol=1e-12)
    sums = build.query(
        "select sum(rate_effect + mix_effect) - max(total_change), max(dimension_rate_effect + dimension_mix_effect - total_change)"
        " from marts.rpt_win_rate_change group by period_type, period_start_date, segment_dimension"
    )
    assert np.abs(np.array(sums)).max() < 1e-12
    newest = build.query(
        "select distinct period_type, max(period_start_date) from marts.rpt_win_rate_change where is_newest_period group by all"
    )
    assert dict(newest) == {kind: max(start for other, start, _ in expected if other == kind) for kind, _, _ in expected}
