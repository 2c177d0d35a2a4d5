"""rpt_win_rate_change: its SQL against a decomposition written deal by deal, its statistics against statsmodels, scipy and simulation."""

import dataclasses
import datetime
import types

import duckdb
import jinja2
import numpy as np
import pytest
import statsmodels.api as sm
from conftest import PROJECT, run_dbt, write_deals
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import false_discovery_control, norm
from statsmodels.stats.contingency_tables import StratifiedTable

from inference.seasons import months_dispersion
from models.win_rates import int_win_rate_change_tests as tests

pytestmark = pytest.mark.filterwarnings("error")


QUANTILE = 1.959963984540054
START, BEFORE, YEAR_BEFORE = datetime.date(2024, 4, 1), datetime.date(2024, 1, 1), datetime.date(2023, 4, 1)
NO_MONTHS = {"month": np.array([]), "won": np.array([]), "count": np.array([])}


def columns_of(older, newer, dimension="region", start=START):
    """Input of estimate for one comparison of a period with the one before; `older`, `newer`: rows (count, won) of each segment."""
    older, newer = (np.asarray(period, float) for period in (older, newer))
    size = len(older)

    def rates(period):
        return np.divide(period[:, 1], period[:, 0], out=np.full(size, np.nan), where=period[:, 0] > 0)

    return {
        "period_type": ["quarter"] * size,
        "period_start_date": [start] * size,
        "segment_dimension": [dimension] * size,
        "segment_value": [f"{number:03d}" for number in range(size)],
        "comparison": ["previous_period"] * size,
        "is_headline": [False] * size,
        "closed_deal_count": newer[:, 0],
        "previous_closed_deal_count": older[:, 0],
        "win_rate": rates(newer),
        "previous_win_rate": rates(older),
        "deal_share": newer[:, 0] / newer[:, 0].sum(),
        "previous_deal_share": older[:, 0] / older[:, 0].sum(),
        "all_win_rate": [newer[:, 1].sum() / newer[:, 0].sum()] * size,
        "previous_all_win_rate": [older[:, 1].sum() / older[:, 0].sum()] * size,
    }


def rows_of(strata):
    """Input of compare: `strata` of (older count, older won, newer count, newer won)."""
    table = np.asarray(strata, float)
    both = np.concatenate([table[:, :2], table[:, 2:]])
    other = np.concatenate([table[:, 2], table[:, 0]])
    return {
        "is_previous": np.repeat([True, False], len(table)),
        "stratum": np.tile(np.arange(len(table)), 2),
        "closed_deal_count": both[:, 0],
        "won_deal_count": both[:, 1],
        "deal_weight": other / (both[:, 0] + other),
        "month": np.concatenate([np.arange(len(table)), 12 + np.arange(len(table))]).astype(float),
    }


def whole_of(older, newer, dispersion=1.0):
    older, newer = (np.asarray(period).sum(0) for period in (older, newer))
    return dataclasses.replace(tests.compare(rows_of([(*older, *newer)]), NO_MONTHS), dispersion=dispersion)


def estimate(columns, wholes, level=0.05, min_deals=30):
    return tests.estimate(columns, wholes, min_deals, 0.95, level)


def changes_of(older, newer):
    older, newer = (np.asarray(period, float) for period in (older, newer))
    sizes = np.repeat([[older[:, 0].sum()], [newer[:, 0].sum()]], len(older), axis=1)
    return tests.Changes(columns_of(older, newer), sizes, np.ones(len(older)))


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


def test_effects_are_kitagawas_and_add_up_whatever_comes_and_goes():
    rng = np.random.default_rng(1)
    for _ in range(300):
        size = rng.integers(1, 30)
        older, newer = (draw(rng, rng.integers(1, 800), rng.dirichlet(np.full(size, 0.3)), rng.random(size)) for _ in range(2))
        seen = (older[:, 0] + newer[:, 0]) > 0
        older, newer = older[seen], newer[seen]
        changes = changes_of(older, newer)
        rate_effect = np.where(changes.is_present.all(0), changes.mean_share * changes.rate_change, 0)
        found = np.column_stack([rate_effect, changes.mix_effect()[0]])
        # The rate that is assumed where there is no deal makes no difference.
        for assumed in (0.1, 0.9):
            np.testing.assert_allclose(found, kitagawa(older, newer, assumed), rtol=0, atol=1e-12)
        change = newer[:, 1].sum() / newer[:, 0].sum() - older[:, 1].sum() / older[:, 0].sum()
        assert abs(found.sum() - change) < 1e-12
        dimension = changes.of_dimension(np.arange(len(older)), 1.0, QUANTILE)
        np.testing.assert_allclose(
            [dimension["dimension_rate_effect"], dimension["dimension_mix_effect"]], found.sum(0), rtol=0, atol=1e-12
        )


def test_the_total_is_cochran_mantel_and_haenszels_test_and_its_interval_leaves_0_out_with_it():
    rng = np.random.default_rng(2)
    for _ in range(100):
        older, newer = rng.integers(1, 200, (2, rng.integers(1, 7)))
        strata = np.column_stack([older, rng.binomial(older, 0.4), newer, rng.binomial(newer, rng.choice([0.3, 0.4]))])
        whole = dataclasses.replace(tests.compare(rows_of(strata), NO_MONTHS), dispersion=rng.choice([1.0, 1.7]))
        table = StratifiedTable(
            np.array([[[new_won, new - new_won], [won, count - won]] for count, won, new, new_won in strata])
            .transpose(1, 2, 0)
            .astype(float)
        )
        if whole.error > 0:
            chi2 = table.test_null_odds(correction=False).statistic / whole.dispersion
            np.testing.assert_allclose(whole.p_value, chi2_distribution.sf(chi2, 1), rtol=1e-8)
            for level in (0.2, 0.01):
                lower, upper = whole.interval(norm.ppf(1 - level / 2))
                assert (whole.p_value <= level) == (not lower <= 0 <= upper)
        # Weighted so that each stratum counts alike on both sides, plain rates differ by the same.
        rows = rows_of(strata)
        rates = [
            np.average(
                rows["won_deal_count"][side] / rows["closed_deal_count"][side],
                weights=(rows["deal_weight"] * rows["closed_deal_count"])[side],
            )
            for side in (~rows["is_previous"], rows["is_previous"])
        ]
        np.testing.assert_allclose(whole.difference, rates[0] - rates[1], atol=1e-12)
    plain = tests.compare(rows_of([(80, 30, 90, 50)]), NO_MONTHS)
    assert plain.size.tolist() == pytest.approx([80, 90]) and plain.difference == pytest.approx(50 / 90 - 30 / 80)
    # A year in which one month has few deals is worth fewer.
    assert tests.compare(rows_of([(80, 30, 90, 50), (80, 30, 5, 2)]), NO_MONTHS).size[0] < 120


def test_month_shocks_are_no_evidence():
    rng = np.random.default_rng(3)
    month, count = np.arange(36.0), np.full(36, 100.0)
    is_newer = month >= 30
    season = 0.1 * np.cos(2 * np.pi * month / 12)
    calm = [months_dispersion(month, rng.binomial(100, 0.4 + season), count, is_newer) for _ in range(200)]
    shaken = [
        months_dispersion(month, rng.binomial(100, 0.4 + season + 0.08 * rng.standard_normal(36)), count, is_newer) for _ in range(200)
    ]
    # A variance of 0.08^2 is 2.7 x that of chance, 0.4 x 0.6 / 100.
    assert np.mean(calm) < 1.2 and 3 < np.mean(shaken) < 4.5
    # Neither a fall of the period in question, nor a season, nor a trend is one.
    fallen = np.rint(100 * (0.5 + season - 0.3 * is_newer - 0.004 * month))
    assert months_dispersion(month, fallen, count, is_newer) == 1
    design = np.column_stack([np.ones(36), month, np.cos(2 * np.pi * month / 12), np.sin(2 * np.pi * month / 12), is_newer])
    won = rng.binomial(100, 0.4 + 0.1 * rng.standard_normal(36))
    rate = won.sum() / 3600
    fit = sm.WLS(won / 100, design, weights=count / (rate * (1 - rate))).fit()
    np.testing.assert_allclose(months_dispersion(month, won, count, is_newer), fit.scale, rtol=1e-9)
    assert months_dispersion(month[:11], won[:11], count[:11], is_newer[:11]) == 1


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
        periods = [draw(rng, size, shares[period], rates[period]) for period in (0, 1)]
        columns, whole = columns_of(*periods), whole_of(*periods)
        found = estimate(columns, {("quarter", START): whole})
        # All at the same level, and those of few deals too.
        changes = tests.Changes(columns, np.stack([whole.size] * 5, axis=1), np.full(5, whole.dispersion))
        mix, error = changes.mix_effect()
        ends = {"rate": changes.rate_interval(np.full(5, 0.05)), "mix": (mix - QUANTILE * error, mix + QUANTILE * error)}
        for effect in truth:
            lower, upper = ends[effect]
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
    steady = [draw(rng, 1200, np.full(4, 0.25), rates) for rates in flat]
    fell = [draw(rng, 1200, np.full(4, 0.25), rates) for rates in ([0.5, 0.4, 0.4, 0.4], [0.1, 0.4, 0.4, 0.4])]
    moved = [draw(rng, 1200, shares, [0.9, 0.3, 0.3, 0.3]) for shares in ([0.1, 0.3, 0.3, 0.3], [0.4, 0.2, 0.2, 0.2])]
    # Another type of period is judged with them.
    columns = joined(
        columns_of(*steady, "industry") | {"period_type": ["month"] * 4}, columns_of(*fell), columns_of(*moved, "lead_source", YEAR_BEFORE)
    )
    wholes = {("month", START): whole_of(*steady), ("quarter", START): whole_of(*fell), ("quarter", YEAR_BEFORE): whole_of(*moved)}
    found = estimate(columns, wholes)
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
    # The headline is a tier of its own: of it alone, half of the families are selected or none.
    columns["is_headline"][4:8] = [True] * 4
    alone = estimate(columns, wholes)
    np.testing.assert_allclose(alone["q_threshold"][4:8], 0.025)
    np.testing.assert_allclose(alone["q_threshold"][:4], 0.05 / 4)


def test_the_headline_is_tested_by_itself_and_other_totals_together():
    older, newer = [(300, 150)], [(300, 121)]
    starts = [datetime.date(2024, month, 1) for month in (1, 4, 7, 10)]
    columns = joined(*(columns_of(older, newer, "all", start) for start in starts))
    columns["is_headline"] = [False, False, False, True]
    columns["comparison"] = ["previous_period", "previous_period", "year_on_year", "year_on_year"]
    wholes = {("quarter", start): whole_of(older, newer) for start in starts}
    wholes |= {("quarter", starts[1]): whole_of(older, older), ("quarter", starts[2]): whole_of(older, [(300, 118)])}
    found = estimate(columns, wholes, level=0.02)
    np.testing.assert_allclose(found["rate_p_value"], [0.0173, 1, 0.0086, 0.0173], atol=2e-4)
    assert found["rate_confidence_level"][3] == 0.98 and found["rate_verdict"].tolist() == ["no_signal", "no_signal", "signal", "signal"]
    # Two families: one of the comparisons with the period before, of which none passes, and one of a single one.
    np.testing.assert_allclose(found["rate_confidence_level"][:3], [0.995, 0.995, 0.99])


def test_few_deals_are_not_judged():
    older, newer = [(400, 200), (29, 10), (40, 10), (10, 2)], [(400, 100), (300, 10), (0, 0), (10, 9)]
    found = estimate(columns_of(older, newer), {("quarter", START): whole_of(older, newer)})
    assert found["rate_verdict"].tolist() == ["signal", "insufficient_n", "insufficient_n", "insufficient_n"]
    assert (found["mix_verdict"] == "insufficient_n").tolist() == [False, False, False, True]
    for effect in ("rate", "mix"):
        for figure in ("effect_lower", "effect_upper", "confidence_level"):
            assert np.isnan(found[f"{effect}_{figure}"]).tolist() == (found[f"{effect}_verdict"] == "insufficient_n").tolist()
    older, newer = [(20, 10), (9, 3)], [(300, 100), (300, 150)]
    few = estimate(columns_of(older, newer), {("quarter", START): whole_of(older, newer)})
    assert few["mix_verdict"].tolist() == ["insufficient_n"] * 2 and np.isnan(few["q_threshold"]).all()
    older, newer = [(50, 50)], [(60, 60)]
    same = estimate(columns_of(older, newer, "all"), {("quarter", START): whole_of(older, newer)})
    assert np.isnan(same["rate_p_value"]).all() and same["rate_verdict"].tolist() == ["not_computable"]
    assert estimate({name: [] for name in columns_of([(1, 1)], [(1, 1)])}, {})["rate_verdict"].size == 0


def test_verdict_interval_and_p_value_never_disagree():
    """2,000 random comparisons: one total and a dimension each, in families of twenty."""
    rng = np.random.default_rng(5)
    checked = {"signal": 0, "no_signal": 0}
    for _ in range(100):
        parts, wholes = [], {}
        for number in range(20):
            start, size = datetime.date(2000 + number, 1, 1), int(rng.integers(1, 20))
            rates = np.clip(0.4 + rng.choice([0, 0.2]) * rng.standard_normal((2, size)), 0, 1)
            periods = [draw(rng, int(rng.integers(40, 2000)), rng.dirichlet(np.full(size, 2.0)), rates[side]) for side in (0, 1)]
            seen = (periods[0][:, 0] + periods[1][:, 0]) > 0
            periods = [period[seen] for period in periods]
            headline = {"is_headline": [number == 19] * int(seen.sum())}
            parts += [columns_of(*periods, "region", start) | headline]
            parts += [columns_of(*([period.sum(0)] for period in periods), "all", start) | {"is_headline": [number == 19]}]
            wholes["quarter", start] = whole_of(*periods, dispersion=rng.choice([1.0, 2.5]))
        columns = joined(*parts)
        found = estimate(columns, wholes, level=0.02)
        share = (np.array(columns["deal_share"]) + np.array(columns["previous_deal_share"])) / 2
        effects = {
            "rate": np.nan_to_num(share * (np.array(columns["win_rate"]) - np.array(columns["previous_win_rate"]))),
            "mix": (found["mix_effect_lower"] + found["mix_effect_upper"]) / 2,
        }
        for effect, value in effects.items():
            verdict, lower, upper = (found[f"{effect}_{name}"] for name in ("verdict", "effect_lower", "effect_upper"))
            judged = np.isin(verdict, list(checked))
            is_out = (lower > 0) | (upper < 0)
            assert (is_out[judged] == (verdict[judged] == "signal")).all()
            assert ((found[f"{effect}_p_value"] <= 1 - found[f"{effect}_confidence_level"])[judged] == is_out[judged]).all()
            assert ((found[f"{effect}_q_value"] <= found["q_threshold"])[judged] == is_out[judged]).all()
            assert (lower[judged] <= value[judged] + 1e-12).all() and (value[judged] <= upper[judged] + 1e-12).all()
            for name in checked:
                checked[name] += int(np.sum(verdict == name))
    assert min(checked.values()) > 500, checked


def written(macro, row, **variables):
    """SQL of a sentence of macros/wording.sql."""
    library = (PROJECT / "macros" / "wording.sql").read_text()
    names = {
        "var": lambda name, default=None: variables.get(name, default),
        "own_dimensions": lambda *_: [],
        "dbt": types.SimpleNamespace(type_string=lambda: "varchar"),
    }
    return jinja2.Environment().from_string(library + "{{ " + macro + "('" + row + "') }}").render(**names)


def test_sentences_claim_what_the_verdict_says():
    """Random verdicts of all deals, with intervals that agree: the sentence says that the rate fell or rose where it is a signal, and only there."""
    rng, rows = np.random.default_rng(9), []
    for number in range(2_000):
        rate, change = rng.random(), 0.3 * rng.standard_normal()
        reach = abs(change) * rng.uniform(0.2, 3)
        verdict = "signal" if reach < abs(change) else "no_signal"
        comparison, kind = rng.choice(["year_on_year", "previous_period"]), rng.choice(["month", "quarter", "half_year"])
        rows.append((number, str(kind), str(comparison), rate, rate - change, change, change - reach, change + reach, verdict))
    connection = duckdb.connect()
    connection.execute("""
        create table rows (
            number int, period_type text, comparison text, win_rate double, previous_win_rate double, total_change double, total_change_lower double,
            total_change_upper double, verdict text
        )
    """)
    connection.executemany(f"insert into rows values ({', '.join('?' * 9)})", rows)
    sentence = written("win_rate_change_finding", "whole", min_segment_deals=30)
    found = connection.execute(f"""
        with whole as (
            select *, 'all' as segment_dimension, 'all' as segment_value, date '2025-07-01' as period_start_date, 90 as closed_deal_count,
            80 as previous_closed_deal_count, 0.99 as total_confidence_level, verdict as rate_verdict, 'not_computable' as mix_verdict,
            1.0 as deal_share, 1.0 as previous_deal_share, 0.0 as mix_effect, 0.0 as mix_effect_lower, 0.0 as mix_effect_upper,
            0.95 as mix_confidence_level, total_change as rate_effect, total_change_lower as rate_effect_lower,
            total_change_upper as rate_effect_upper, 0.99 as rate_confidence_level from rows
        )
        select verdict, total_change, total_change_lower, total_change_upper, comparison, {sentence} from whole
    """).fetchall()
    for verdict, change, lower, upper, comparison, text in found:
        assert ("chance can explain it" in text) == (verdict == "no_signal") == (lower <= 0 <= upper)
        assert ("the win rate fell" in text) == (verdict == "signal" and change < 0)
        assert ("the win rate rose" in text) == (verdict == "signal" and change > 0)
        assert ("may be the season" in text) == (verdict == "signal" and comparison == "previous_period")
        assert ("a year before" in text) == (comparison == "year_on_year")
    assert {verdict for verdict, *_ in found} == {"signal", "no_signal"}


def noise_alarms(rng, quarters=6, size=500, level=0.02):
    """Does a CRM without any change, of four dimensions and some quarters, have a signal?"""
    parts, wholes, previous = [], {}, {}
    for quarter in range(quarters):
        # The dimensions are drawn apart from each other, the total is that of the first one.
        period = {d: draw(rng, size, np.full(k, 1 / k), np.full(k, 0.45)) for d, k in {"a": 3, "b": 4, "c": 5, "d": 10}.items()}
        period["all"] = period["a"].sum(0, keepdims=True)
        start = datetime.date(2020 + quarter, 1, 1)
        for dimension, counts in period.items():
            if previous:
                part = columns_of(previous[dimension], counts, dimension, start)
                parts.append(part | {"is_headline": [quarter == quarters - 1] * len(counts)})
        if previous:
            wholes["quarter", start] = whole_of(previous["all"], period["all"])
        previous = period
    found = estimate(joined(*parts), wholes, level)
    return "signal" in found["rate_verdict"] or "signal" in found["mix_verdict"]


def test_noise_is_seldom_a_signal():
    # Four tiers at 2 % each: at most 8 % of CRMs. 100 draws; 16 or more would have a chance of 5 in 1,000 at that.
    rng = np.random.default_rng(6)
    assert sum(noise_alarms(rng) for _ in range(100)) < 16


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
    lives = sorted((row[0] - datetime.date.fromisoformat(row[3].split(",")[1])).days for row in rows)
    whole_from = datetime.date(2023, 1, 1) + datetime.timedelta(days=lives[-(-99 * len(lives) // 100) - 1])
    counts = {}
    for closed, region, outcome, _ in rows:
        cell = counts.setdefault(closed.year * 12 + closed.month - 1, {}).setdefault(region, [0, 0])
        cell[0], cell[1] = cell[0] + 1, cell[1] + (outcome == "Won")

    def day(month):
        return datetime.date(month // 12, month % 12 + 1, 1)

    months = range(2023 * 12, 2025 * 12)
    whole = [month for month in months if day(month) >= whole_from and day(month + 1) <= last + datetime.timedelta(days=1)]
    expected, comparisons = {}, {}
    for period_type, length in (("month", 1), ("quarter", 3), ("half_year", 6)):
        offset = (whole[-1] + 1) % 6 if period_type == "half_year" else 0
        for first in (month for month in whole if (month - offset) % length == 0 and month + length - 1 in whole):
            back = 12 if first - 12 in whole else length
            if first - back not in whole:
                continue
            # A year before, each month stands for itself: its deals weigh as many as closed in the other year's, over those of both.
            weighted = {side: {} for side in (0, 1)}
            total = [sum(sum(cell[0] for cell in counts.get(first - at + step, {}).values()) for step in range(length)) for at in (back, 0)]
            for step in range(length):
                sides = [counts.get(first - at + step, {}) for at in (back, 0)]
                size = [sum(cell[0] for cell in side.values()) for side in sides] if back == 12 else total
                for side in (0, 1):
                    for region, (count, won) in sides[side].items():
                        cell = weighted[side].setdefault(region, [0.0, 0.0])
                        weight = size[1 - side] / sum(size)
                        cell[0], cell[1] = cell[0] + weight * count, cell[1] + weight * won
            regions = sorted({region for side in (0, 1) for region, (count, _) in weighted[side].items() if count})
            if not all(any(count for count, _ in weighted[side].values()) for side in (0, 1)):
                continue
            older, newer = (np.array([weighted[side].get(region, [0, 0]) for region in regions]) for side in (0, 1))
            comparisons[period_type, day(first)] = "year_on_year" if back == 12 else "previous_period"
            for region, pair in zip(regions, kitagawa(older, newer, 0.5), strict=True):
                expected[period_type, day(first), region] = pair
    assert set(comparisons.values()) == {"year_on_year", "previous_period"}

    found = build.query(
        "select period_type, period_start_date, segment_value, rate_effect, mix_effect from marts.rpt_win_rate_change"
        " where segment_dimension = 'region'"
    )
    assert {key[:3] for key in found} == set(expected) and len(found) == len(expected) > 40
    assert dict(build.query("select distinct (period_type, period_start_date), comparison from marts.rpt_win_rate_change")) == comparisons
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
