"""One row per forecast date, segment_dimension and segment_value: quantiles of what the deals open then will yield, by `default_value_method`.

A deal of amount a and probability p yields a with that probability. All deals of a pipeline share one shift of their log odds: the error of
the base rate, normal with variance 1 / (n r (1 - r)) on n closed deals, plus a shock that spares no deal of the period, `shock_deviation`
times Student's t. With forecast c, error e = c - realised and gain g = sum of a p (1 - p), what one unit of log odds adds to c,

    shock_deviation^2 = max(0, sum(e^2 - v) / sum(g^2)),    v = sum of a^2 p (1 - p) + g^2 / (n r (1 - r)),

over the month ends whose deals have closed since. A month end that is one of these itself is left out of its own sum, so that its band
owes nothing to its own outcome. t isn't scaled to variance 1: its wider tails pay for a shock that is estimated from a few month ends.

Simulated, 1,700 pipelines of each kind with 12 month ends, shared deals and all: the band from P10 to P90 holds what came in 80 to 85 % of
pipelines with 40, 125 or 1,000 new deals a month, without a shock, and with shocks of 0.2 or 0.4 in log odds by month or by quarter (without
the shock term in 16 to 80 %); of past month ends, their own error left out, in 79 to 84 %. See tools/simulations/yield.py. Drawn 2,000 times,
P10 and P90 are off by 1.5 % of the band's width.

`band_status` says what the band is made of: `common_shock`; `no_shock_found` (errors no larger than chance makes them: base rate and single
deals only); `independent_deals_only` (fewer month ends than `min_dates`: a shock is not known, and the band is too narrow if there are
any); `no_probabilities` (the method takes every deal for won or lost: no band).
"""

import datetime
import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from inference.tables import from_rows

Array = np.ndarray
KEY = ["forecast_date", "segment_dimension", "segment_value"]
LEVELS = {"yield_p10_amount": 0.1, "yield_p50_amount": 0.5, "yield_p90_amount": 0.9}


@dataclass(frozen=True)
class Settings:
    method: str
    draws: int
    exact_share: float  # a deal with more than this share of the variance is drawn by itself, as negative amounts are; all others are one normal amount
    shock_degrees_of_freedom: float
    min_dates: int


@dataclass(frozen=True)
class Pipeline:
    """Groups of deals of equal amount and probability; `rate_variance` is that of the base rate's log odds."""

    count: Array
    amount: Array
    probability: Array
    rate_variance: float

    @property
    def variance(self) -> Array:
        return self.count * self.amount**2 * self.probability * (1 - self.probability)

    @property
    def gain(self) -> float:
        return float((self.count * self.amount * self.probability * (1 - self.probability)).sum())

    @property
    def forecast(self) -> float:
        return float((self.count * self.amount * self.probability).sum())


def shock_parts(pipeline: Pipeline, realised: float) -> tuple[float, float]:
    """e^2 - v, and g^2."""
    expected = pipeline.variance.sum() + pipeline.gain**2 * pipeline.rate_variance
    return (pipeline.forecast - realised) ** 2 - float(expected), pipeline.gain**2


def shock(parts: list[tuple[float, float]], min_dates: int) -> tuple[float | None, str]:
    """Standard deviation of the common shock in log odds, null where it is unknown, and `band_status`."""
    if len(parts) < min_dates:
        return None, "independent_deals_only"
    excess, gain = np.sum(parts, axis=0)
    if gain == 0:
        return None, "no_probabilities"
    return float(np.sqrt(max(0.0, excess / gain))), "common_shock" if excess > 0 else "no_shock_found"


def shift_log_odds(probability: Array, shift: Array) -> Array:
    """Probabilities (k, 1) after shifts (m,) of their log odds: (k, m). 0 and 1 stay."""
    odds = np.exp(shift)
    return probability * odds / (1 - probability + probability * odds)


def moments(count: Array, amount: Array, probability: Array, shift: Array) -> tuple[Array, Array]:
    """Mean and variance (m,) of the yield of many deals after each shift; probabilities within a point are taken together."""
    _, point = np.unique(np.round(probability, 2), return_inverse=True)
    money = np.bincount(point, count * amount)
    chance = shift_log_odds((np.bincount(point, count * amount * probability) / money)[:, None], shift)
    return money @ chance, np.bincount(point, count * amount**2) @ (chance * (1 - chance))


def draw_yields(pipeline: Pipeline, deviation: float, settings: Settings, rng: np.random.Generator) -> Array:
    """`settings.draws` amounts that the pipeline may yield. Shifts are the midpoints of equally likely slices, in random order."""
    level = (np.arange(settings.draws) + 0.5) / settings.draws
    shift = deviation * rng.permutation(stdtrit(settings.shock_degrees_of_freedom, level))
    shift = shift + np.sqrt(pipeline.rate_variance) * rng.permutation(ndtri(level))
    deal_variance = pipeline.amount**2 * pipeline.probability * (1 - pipeline.probability)
    is_exact = (deal_variance > settings.exact_share * pipeline.variance.sum()) | (pipeline.amount < 0)
    total = np.zeros(settings.draws)
    for group in np.flatnonzero(is_exact):
        count, chance = int(pipeline.count[group]), shift_log_odds(pipeline.probability[group], shift)
        total += pipeline.amount[group] * (rng.random(settings.draws) < chance if count == 1 else rng.binomial(count, chance))
    if is_exact.all():
        return total
    rest = [part[~is_exact] for part in (pipeline.count, pipeline.amount, pipeline.probability)]
    mean, variance = moments(*rest, shift)
    return total + np.clip(mean + np.sqrt(variance) * rng.permutation(ndtri(level)), 0, rest[0] @ rest[1])


def band(pipeline: Pipeline, deviation: float, settings: Settings, key: str) -> dict[str, float]:
    """P10, P50 and P90 of the yield. The random numbers are those of the key, so that no other row moves them."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    drawn = draw_yields(pipeline, deviation, settings, np.random.Generator(np.random.PCG64(seed)))
    return dict(zip(LEVELS, np.quantile(drawn, list(LEVELS.values())).tolist(), strict=True))


def yields(pipelines: dict[tuple, Pipeline], realised: dict[tuple, float], settings: Settings) -> list[dict]:
    """Rows of the model. `realised` has the past pipelines whose deals have closed since."""
    parts = {key: shock_parts(pipelines[key], amount) for key, amount in realised.items() if key in pipelines}
    rows = []
    for key, pipeline in pipelines.items():
        others = [part for other, part in parts.items() if other != key]
        deviation, status = shock(others, settings.min_dates)
        row = dict(zip(KEY, key, strict=True)) | {"shock_date_count": len(others), "shock_deviation": deviation, "band_status": status}
        has_band = status != "no_probabilities"
        rows.append(row | (band(pipeline, deviation or 0.0, settings, " | ".join(map(str, key))) if has_band else dict.fromkeys(LEVELS)))
    return rows


def read(relation, rate_variance: dict) -> dict[tuple, Pipeline]:
    """Pipelines from rows (key, class of amount and probability, deals, their amount, forecast). Sums of doubles differ in their last digits."""
    columns = [*KEY, "amount_class", "probability_class", "deal_count", "raw_amount", "forecast_amount"]
    rows = relation.project(", ".join(columns)).order(", ".join(columns[:5])).fetchall()
    pipelines = {}
    for key, groups in itertools.groupby(rows, lambda row: row[:3]):
        count, raw, forecast = (np.array(column, float) for column in list(zip(*groups, strict=True))[5:])
        probability = np.clip(np.round(forecast / raw, 9), 0, 1)
        pipelines[key] = Pipeline(count, raw / count, probability, rate_variance.get(key[0], 0.0))
    return pipelines


def model(dbt, session):
    settings = Settings(**dbt.config.meta_get("settings"))
    groups = dbt.ref("int_forecast_groups").filter(f"method = '{settings.method}' and forecast_amount is not null")
    # Deals of a class may stand in several groups, by the other methods that value them.
    classes = groups.aggregate(f"""
        {", ".join(KEY)}, amount_class, probability_class,
        sum(deal_count) as deal_count, sum(raw_amount) as raw_amount, sum(forecast_amount) as forecast_amount
    """)
    rates = dbt.ref("int_replayed_segments").filter("segment_dimension = 'all' and win_rate > 0 and win_rate < 1")
    rate_variance = dict(rates.project("forecast_date, 1 / (closed_deal_count * win_rate * (1 - win_rate))").fetchall())
    closed = (
        groups.filter("is_evaluable")
        .aggregate(f"{', '.join(KEY)}, sum(realised_amount) as realised_amount")
        .order("forecast_date")
        .fetchall()
    )
    realised = {tuple(row[:3]): float(row[3]) for row in closed}
    rows = yields(read(classes, rate_variance), realised, settings)
    types = {
        datetime.date: ("forecast_date",),
        str: ("segment_dimension", "segment_value", "band_status"),
        int: ("shock_date_count",),
        float: ("shock_deviation", *LEVELS),
    }
    return from_rows(rows, types)
