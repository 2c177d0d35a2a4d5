"""The mathematics behind the bands of the pipeline against an exact convolution, the normal limit, hand-computed shocks and, of the demo, a
plain simulation deal by deal."""

import dataclasses
import hashlib
import importlib
from datetime import date

import duckdb
import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

simulation = importlib.import_module("tools.simulations.yield")
yields = simulation.yields
SETTINGS = yields.Settings("rapv", draws=20_000, exact_share=0, shock_degrees_of_freedom=8, min_dates=2)
DAY = date(2025, 12, 31)


def pipeline(amount, probability, count=None, rate_variance=0.0):
    amount, probability = np.array(amount, float), np.array(probability, float)
    return yields.Pipeline(np.ones(len(amount)) if count is None else np.array(count, float), amount, probability, rate_variance)


def drawn(pipe, deviation=0.0, settings=SETTINGS, seed=1):
    return yields.draw_yields(pipe, deviation, settings, np.random.default_rng(seed))


# The yield


def exact(deals) -> dict[int, float]:
    """Chance of every possible sum of (amount, probability) deals, one deal after the other."""
    chances = {0: 1.0}
    for amount, probability in deals:
        added: dict[int, float] = {}
        for total, chance in chances.items():
            added[total] = added.get(total, 0) + chance * (1 - probability)
            added[total + amount] = added.get(total + amount, 0) + chance * probability
        chances = added
    return chances


FEW = [(100, 0.55), (40, 0.8), (35, 0.2), (35, 0.2), (35, 0.2), (7, 0.7), (3, 1.0), (2, 0.0)]
FEW_GROUPS = pipeline([100, 40, 35, 7, 3, 2], [0.55, 0.8, 0.2, 0.7, 1.0, 0.0], [1, 1, 3, 1, 1, 1])


def shifted(deals, shift):
    return [(amount, 1 / (1 + (1 / p - 1) * np.exp(-shift)) if p else 0.0) for amount, p in deals]


def assert_same_distribution(sample, at_most):
    """The sample's share up to every value it has is what `at_most` says, within four standard errors."""
    for value in np.unique(sample):
        chance = at_most(value)
        assert abs((sample <= value).mean() - chance) < 4 * np.sqrt(0.25 / len(sample)), value


def test_few_deals_yield_what_their_convolution_says():
    chances = exact(FEW)
    sample = drawn(FEW_GROUPS)
    assert set(np.unique(sample)) <= {total for total, chance in chances.items() if chance > 0}
    assert_same_distribution(sample, lambda value: sum(chance for total, chance in chances.items() if total <= value))
    found = yields.band(FEW_GROUPS, 0.0, SETTINGS, "a key")
    for name, level in yields.LEVELS.items():
        below = sum(chance for total, chance in chances.items() if total < found[name])
        assert below - 0.01 < level < below + chances[found[name]] + 0.01, name


def test_a_shock_and_the_error_of_the_base_rate_move_all_deals_together():
    """Mixed over the shift on a fine grid; t has 8 degrees of freedom and isn't scaled."""
    deviation, error = 1.0, 0.5
    few = FEW[:4]

    # The convolution at each shift, weighted by the chance of shock and error.
    shifts = np.linspace(-10, 10, 801)
    shock_chance, error_chance = student.pdf(shifts / deviation, 8), norm.pdf(shifts / error)
    weight = np.convolve(shock_chance, error_chance, mode="same")
    chances = [exact(shifted(few, shift)) for shift in shifts]

    def at_most(value):
        return weight @ [sum(chance for total, chance in each.items() if total <= value) for each in chances] / weight.sum()

    sample = drawn(pipeline(*zip(*few, strict=True), rate_variance=error**2), deviation)
    assert_same_distribution(sample, at_most)
    unmoved = exact(few)
    assert abs(at_most(40) - sum(chance for total, chance in unmoved.items() if total <= 40)) > 0.03, "the shift matters"


@pytest.mark.parametrize("exact_share", [0, 0.0006, 1])
def test_many_small_deals_yield_a_normal_amount(exact_share):
    rng = np.random.default_rng(3)
    amount, probability = rng.integers(90, 110, 2_000), rng.uniform(0.05, 0.95, 2_000)
    settings = dataclasses.replace(SETTINGS, exact_share=exact_share)
    found = np.quantile(drawn(pipeline(amount, probability), 0.0, settings), [0.1, 0.5, 0.9])
    mean, deviation = amount @ probability, np.sqrt(amount**2 @ (probability * (1 - probability)))
    np.testing.assert_allclose((found - mean) / deviation, norm.ppf([0.1, 0.5, 0.9]), atol=0.06)


def test_what_is_drawn_as_one_normal_amount_is_shifted_too():
    rng = np.random.default_rng(4)
    pipe = pipeline(rng.integers(50, 150, 400), rng.uniform(0.1, 0.9, 400), rate_variance=0.01)
    few, all_deals = (
        np.quantile(drawn(pipe, 0.3, dataclasses.replace(SETTINGS, exact_share=share)), [0.1, 0.5, 0.9]) for share in (0.005, 0)
    )
    np.testing.assert_allclose(few, all_deals, rtol=0.01)


def test_certain_deals_stay_certain():
    found = yields.band(pipeline([5, 7], [1.0, 0.0], rate_variance=1.0), 1.0, SETTINGS, "a key")
    assert set(found.values()) == {5.0}


# The shock


def test_the_shock_by_hand():
    """100 deals of 1 at 50 %: forecast 50, gain 25, and v = 25 + 25^2 x 0.04 = 50."""
    pipe = pipeline([1], [0.5], [100], 0.04)
    assert (pipe.forecast, pipe.gain, pipe.variance.sum()) == (50, 25, 25)
    assert yields.shock_parts(pipe, 30) == (20**2 - 50, 625)
    assert yields.shock_parts(pipe, 45) == (5**2 - 50, 625)
    assert yields.shock([(350, 625), (-25, 625)], 2) == (np.sqrt(325 / 1250), "common_shock")
    assert yields.shock([(350, 625), (-25, 625), (-325, 625)], 2) == (0.0, "no_shock_found")
    assert yields.shock([(350, 625)], 2) == (None, "independent_deals_only")
    assert yields.shock([(0.0, 0.0), (0.0, 0.0)], 2) == (None, "no_probabilities")


def test_no_month_end_has_a_part_in_its_own_shock():
    pipe = pipeline([1], [0.5], [100], 0.04)
    ends = {(date(2025, month, 1), "all", "all"): came for month, came in ((1, 30.0), (2, 45.0), (3, 60.0))}
    rows = yields.yields(dict.fromkeys(ends, pipe) | {(DAY, "all", "all"): pipe}, ends, SETTINGS)
    assert [row["shock_date_count"] for row in rows] == [2, 2, 2, 3]
    # 350, -25 and 50 by month end; each leaves out its own.
    expected = [np.sqrt(25 / 1250), np.sqrt(400 / 1250), np.sqrt(325 / 1250), np.sqrt(375 / 1875)]
    np.testing.assert_allclose([row["shock_deviation"] for row in rows], expected)
    few = yields.yields(dict.fromkeys(ends, pipe), ends, dataclasses.replace(SETTINGS, draws=100, min_dates=3))
    assert {(row["shock_deviation"], row["band_status"]) for row in few} == {(None, "independent_deals_only")}
    assert all(row["yield_p10_amount"] < 50 < row["yield_p90_amount"] for row in few)
    certain = yields.yields(dict.fromkeys(ends, pipeline([1], [1.0])), ends, SETTINGS)
    assert {(row["band_status"], row["yield_p50_amount"]) for row in certain} == {("no_probabilities", None)}


def test_other_segments_and_the_order_of_rows_change_nothing():
    rng = np.random.default_rng(5)
    columns = "forecast_date, segment_dimension, segment_value, amount_class, probability_class, deal_count, raw_amount, forecast_amount"
    rows = [
        (DAY, "region", segment, index, 30, 1 + index % 2, 1000.0 + index, (1000.0 + index) * 0.3)
        for segment in "XY"
        for index in range(40)
    ]

    def bands(chosen):
        with duckdb.connect() as connection:
            connection.execute(
                f"create table groups as select * from (values {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?)'] * len(chosen))}) as t({columns})",
                [each for row in chosen for each in row],
            )
            read = yields.read(connection.table("groups"), {DAY: 0.01})
        return {row["segment_value"]: row for row in yields.yields(read, {}, SETTINGS)}

    one = bands(rows)
    shuffled = bands([rows[index] for index in rng.permutation(len(rows))])
    assert one == shuffled
    assert bands(rows[:40]) == {"X": one["X"]}
    assert one["X"]["yield_p10_amount"] != one["Y"]["yield_p10_amount"], "each segment has random numbers of its own"


# How often the band holds what comes


@pytest.mark.parametrize(("shock", "least_without", "most_without"), [((0.0, 30), 0.65, 0.95), ((0.4, 30), 0.10, 0.50)])
def test_the_band_holds_what_comes(shock, least_without, most_without):
    """Of 80 pipelines with 1,000 new deals a month; the full table is that of `python -m tools simulate yield`."""
    found = np.mean([simulation.one_pipeline(seed, 1_000, *shock) for seed in range(80)], axis=0)
    within, below, above, without, past, deviation = found
    assert 0.67 < within < 0.93 and 0.67 < past < 0.93  # three standard errors
    assert below + above + within == pytest.approx(1)
    assert least_without < without < most_without
    assert deviation < 0.05 if shock[0] == 0 else 0.1 < deviation < 0.4


# The demo


def deals_of(build, where: str):
    return build.frame(
        "select forecast_date, raw_amount::double as amount, rapv_probability as p, won_amount::double as won "
        f"from intermediate.int_deal_forecasts where {where} order by forecast_date, deal_id"
    )


def test_the_shock_of_the_demo_is_that_of_its_single_deals(demo):
    """Grouping deals that are nearly alike moves it by less than 1 %."""
    rates = demo.frame(
        "select forecast_date, closed_deal_count as n, win_rate as r from intermediate.int_replayed_segments where segment_dimension = 'all'"
    )
    rate_variance = (1 / (rates.n * rates.r * (1 - rates.r))).set_axis(rates.forecast_date)
    dates = demo.frame(
        "select forecast_date from marts.rpt_pipeline_value_backtest where is_evaluable and method = 'rapv' and valued_deal_count > 0"
    ).forecast_date
    deals = deals_of(demo, "not is_as_of_date")
    excess = gains = 0.0
    for day, open_deals in deals[deals.forecast_date.isin(dates)].groupby("forecast_date"):
        spread = open_deals.p * (1 - open_deals.p)
        gain = (open_deals.amount * spread).sum()
        error = (open_deals.amount * open_deals.p).sum() - open_deals.won.sum()
        excess += error**2 - (open_deals.amount**2 * spread).sum() - gain**2 * rate_variance[day]
        gains += gain**2
    [(deviation, count, statuses)] = demo.query(
        "select max(shock_deviation), max(shock_date_count), count(distinct band_status) from marts.rpt_pipeline_value"
    )
    assert count == len(dates) >= 12 and statuses == 1
    assert deviation == pytest.approx(np.sqrt(excess / gains), rel=0.01)


def test_the_band_of_the_demo_is_that_of_a_plain_simulation(demo):
    deals = deals_of(demo, "is_as_of_date")
    [(deviation, low, middle, high)] = demo.query(
        "select shock_deviation, yield_p10_amount, yield_p50_amount, yield_p90_amount from marts.rpt_pipeline_value where segment_dimension = 'all'"
    )
    [(n, r)] = demo.query(
        "select closed_deal_count, win_rate from intermediate.int_replayed_segments where segment_dimension = 'all' order by forecast_date desc limit 1"
    )
    rng = np.random.default_rng(6)
    shift = deviation * rng.standard_t(8, 20_000) + rng.standard_normal(20_000) / np.sqrt(n * r * (1 - r))
    chance = 1 / (1 + np.exp(-(np.log(deals.p / (1 - deals.p)).to_numpy()[:, None] + shift)))
    expected = np.quantile(deals.amount.to_numpy() @ (rng.random(chance.shape) < chance), [0.1, 0.5, 0.9])
    np.testing.assert_allclose([low, middle, high], expected, rtol=0.02)


def test_bands_of_the_demo_look_true(demo):
    frame = demo.frame("select * from marts.rpt_pipeline_value")
    assert frame.band_status.eq("common_shock").all()
    assert (0 <= frame.yield_p10_amount).all() and (frame.yield_p90_amount <= frame.raw_amount.astype(float)).all()
    assert (frame.yield_p10_amount <= frame.yield_p50_amount).all() and (frame.yield_p50_amount <= frame.yield_p90_amount).all()
    width = (frame.yield_p90_amount - frame.yield_p10_amount) / frame.rapv_amount
    total = width[frame.segment_dimension == "all"].item()
    # But for stages: deals of Negotiation are nearly certain.
    assert (width[~frame.segment_dimension.isin(["all", "deal_stage"])] > total).all()
    sums = frame.groupby("segment_dimension")[["yield_p10_amount", "yield_p90_amount"]].sum()
    assert (sums.yield_p10_amount <= sums.yield_p10_amount["all"] * 1.01).all() and (
        sums.yield_p90_amount * 1.01 >= sums.yield_p90_amount["all"]
    ).all()


def test_the_measured_coverage_is_that_of_the_backtest(demo):
    backtest = demo.frame("select * from marts.rpt_pipeline_value_backtest where is_within_band is not null")
    inside = backtest.realised_amount.astype(float).between(backtest.yield_p10_amount, backtest.yield_p90_amount)
    assert (inside == backtest.is_within_band.astype(bool)).all() and set(backtest.method) == {"rapv"}
    [(count, rate)] = demo.query("select band_date_count, within_band_rate from marts.rpt_pipeline_value_methods where is_default")
    assert count == len(backtest) >= 12 and rate == pytest.approx(inside.mean())
    assert demo.query("select sum(band_date_count) from marts.rpt_pipeline_value_methods") == [(count,)]


def test_the_seed_of_a_segment_is_its_key():
    seed = int.from_bytes(hashlib.sha256(b"k").digest()[:8], "big")
    rng = np.random.Generator(np.random.PCG64(seed))
    expected = np.quantile(yields.draw_yields(FEW_GROUPS, 0.1, SETTINGS, rng), 0.9)
    assert yields.band(FEW_GROUPS, 0.1, SETTINGS, "k")["yield_p90_amount"] == expected
