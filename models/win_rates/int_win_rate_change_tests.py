"""One row per period_type, period_start_date, segment_dimension and segment_value: how sure are the rate and the mix effect?

**All deals.** Periods are compared by Mantel and Haenszel's difference inside the strata of `int_win_rate_comparisons` (calendar months of two
years; the whole periods where a period is compared with the one before), tested by Cochran, Mantel and Haenszel's chi-square over D. D is the
dispersion of all whole months about a line, a season and a step at the newer period, so that what all deals of a month have in common is no
evidence. The interval is the difference +- quantile x the test's own error.

**Segments.** Weighted so that each calendar month counts alike in both years, a period's deals are worth (sum w)^2 / sum w^2 of them. The rate
effect is the mean share x the change of the rate, tested as two proportions by the pooled z and its inverse, Mee's score interval; a segment
with a share s of the deals has a share of the months' common deviations too, D_s = 1 + s (D - 1). The mix effect has its delta-method error.

**Levels.** Four tiers: the comparison to look at first (is_headline), all others, and in each the total and the segments. Among totals,
comparisons of one kind (year_on_year, previous_period) are a family; among segments, the rate effects and the mix effects of each dimension and
comparison are one each. Benjamini-Hochberg inside a family, families selected first (Benjamini and Bogomolov 2014), and intervals at the level
that a single p value must reach, so that a signal is where the interval leaves 0 out.

`python -m tools simulate change` says how often they are wrong.
"""

import datetime
from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion, normal_quantile, score_interval
from inference.multiplicity import correct, threshold
from inference.seasons import months_dispersion
from inference.significance import mantel_haenszel, pooled_z, two_sided
from inference.tables import from_columns, read_columns

KEYS = ("period_type", "period_start_date", "segment_dimension", "segment_value")
COUNTS = ("closed_deal_count", "previous_closed_deal_count")
RATES = ("win_rate", "previous_win_rate", "deal_share", "previous_deal_share", "all_win_rate", "previous_all_win_rate")
MONTHS = (
    "period_type",
    "period_start_date",
    "closed_month",
    "is_previous",
    "stratum",
    "closed_deal_count",
    "won_deal_count",
    "deal_weight",
)
EFFECTS = ("rate", "mix")
FIGURES = (
    *(
        f"{effect}_{name}"
        for effect in EFFECTS
        for name in ("effect_lower", "effect_upper", "p_value", "q_value", "family_q_value", "confidence_level")
    ),
    *(f"dimension_{effect}_effect{end}" for effect in EFFECTS for end in ("", "_lower", "_upper")),
    "q_threshold",
    "dispersion",
)


def spread(hits: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Variance of the proportion hits / count with one hit and one miss added (Agresti and Caffo 2000), so that it is never 0."""
    rate = (hits + 1) / (count + 2)
    return rate * (1 - rate) / (count + 2)


@dataclass(frozen=True)
class Whole:
    """All deals of a period against those of another: the difference of their win rates, its error when there is none, how far months differ
    beyond chance, and how many deals each period is worth, the older one first."""

    difference: float
    error: float
    dispersion: float
    size: np.ndarray

    @property
    def p_value(self) -> float:
        return float(two_sided(self.difference / self.spread)) if self.error > 0 else np.nan

    @property
    def spread(self) -> float:
        return self.error * np.sqrt(self.dispersion)

    def interval(self, quantile: float) -> tuple[float, float]:
        reach = quantile * self.spread if self.error > 0 else np.nan
        return max(-1.0, self.difference - reach), min(1.0, self.difference + reach)


def month_numbers(months: list[datetime.date]) -> np.ndarray:
    return np.array([12 * month.year + month.month for month in months], float)


def compare(rows: dict[str, np.ndarray], months: dict[str, np.ndarray]) -> Whole:
    """`rows`: MONTHS but for the keys, of one comparison; `months`: month, won and closed deals of all whole months."""
    sides = []
    for is_side in (~rows["is_previous"], rows["is_previous"]):
        won, count = (np.bincount(rows["stratum"][is_side], rows[name][is_side], 13) for name in ("won_deal_count", "closed_deal_count"))
        sides.append(Proportion(won, count))
    sizes = []
    for is_side in (rows["is_previous"], ~rows["is_previous"]):
        weight, count = rows["deal_weight"][is_side], rows["closed_deal_count"][is_side]
        sizes.append(np.sum(weight * count) ** 2 / np.sum(weight**2 * count))
    is_newer = np.isin(months["month"], rows["month"][~rows["is_previous"]])
    dispersion = months_dispersion(months["month"], months["won"], months["count"], is_newer)
    return Whole(*mantel_haenszel(*sides), dispersion, np.array(sizes))


class Changes:
    """Rows of `int_win_rate_changes` as arrays, with period 0 the older and 1 the newer; a segment absent from a period has its other rate.
    Deals are as many as the periods are worth."""

    def __init__(self, columns: dict[str, list], sizes: np.ndarray, dispersion: np.ndarray) -> None:
        numbers = {name: np.asarray(columns[name], float) for name in RATES}
        self.share = np.stack([numbers["previous_deal_share"], numbers["deal_share"]])
        own = np.stack([numbers["previous_win_rate"], numbers["win_rate"]])
        self.all_rate = np.stack([numbers["previous_all_win_rate"], numbers["all_win_rate"]])
        self.is_present = self.share > 0
        self.all_count, self.count = sizes, self.share * sizes
        self.rate = np.where(self.is_present, own, own[::-1])
        self.won = np.where(self.is_present, self.rate * self.count, 0.0)
        self.rate_change, self.mean_rate = self.rate[1] - self.rate[0], self.rate.mean(0)
        self.share_change, self.mean_share = self.share[1] - self.share[0], self.share.mean(0)
        self.dispersion = 1 + self.mean_share * (dispersion - 1)
        self.older, self.newer = (
            Proportion(won / self.dispersion, count / self.dispersion) for won, count in zip(self.won, self.count, strict=True)
        )
        # How far the mix effect moves with a period's rate: half the change of share, all of it if the other period has no deal.
        self.mix_by_rate = np.where(self.is_present.all(0), self.share_change / 2, np.where(self.is_present, self.share_change, 0))

    def rate_interval(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the rate effect, at 1 - `level`: that of the change of rate x the mean share. NaN where a period has no deal."""
        both = self.is_present.all(0)
        lower, upper = np.full(len(both), np.nan), np.full(len(both), np.nan)
        older, newer = (Proportion(each.hits[both], each.count[both]) for each in (self.older, self.newer))
        _, low, high = score_interval(newer, older, normal_quantiles(level[both]))
        lower[both], upper[both] = self.mean_share[both] * low, self.mean_share[both] * high
        return lower, upper

    def share_variance(self) -> np.ndarray:
        """Of each period's share; 0 where a segment is all there is."""
        return np.where((self.share == 1).all(0), 0.0, spread(self.count, self.all_count))

    def mix_effect(self) -> tuple[np.ndarray, np.ndarray]:
        """Effect and standard error, by the delta method: it moves with both shares, both rates and both overall rates.

        The effect is a product, so the product of the factors' variances is added (Goodman 1960): near 0 in both it is all there is.
        """
        distance = self.mean_rate - self.all_rate.mean(0)
        by_share = np.stack([-distance, distance])
        by_all = np.broadcast_to(-self.share_change / 2, self.share.shape)
        rate_noise = np.where(self.is_present, spread(self.won, self.count), 0.0)
        variance = (
            by_share**2 * self.share_variance()
            + self.mix_by_rate**2 * rate_noise
            + (
                by_all**2 * self.all_rate * (1 - self.all_rate)
                + 2 * by_share * by_all * self.share * (self.rate - self.all_rate)
                + 2 * self.mix_by_rate * by_all * self.rate * (1 - self.rate)
            )
            / self.all_count
        ).sum(0)
        chance = (self.all_rate * (1 - self.all_rate) - 2 * self.rate * (1 - self.rate) * self.is_present) / self.all_count
        distance_variance = np.maximum(0.0, (rate_noise + chance).sum(0)) / 4
        variance = np.maximum(0.0, variance) + self.share_variance().sum(0) * distance_variance
        return self.share_change * distance, np.sqrt(variance)

    def of_dimension(self, rows: np.ndarray, dispersion: float, quantile: float) -> dict[str, float]:
        """Sums of the rate and of the mix effects over the segments of one dimension and comparison, with intervals by the delta method."""
        share = self.share[:, rows]
        noise = np.where(self.is_present[:, rows], spread(self.won[:, rows], self.count[:, rows]), 0.0) * dispersion
        both = self.is_present[:, rows].all(0)
        half_change = np.where(both, self.rate_change[rows] / 2, 0.0)
        pieces = {
            "rate": (
                self.mean_share[rows] * 2 * half_change,
                np.stack([half_change, half_change]),
                np.where(both, self.mean_share[rows], 0.0),
            ),
            "mix": (self.share_change[rows] * self.mean_rate[rows], np.stack([self.mean_rate[rows]] * 2), self.mix_by_rate[:, rows]),
        }
        found = {}
        for effect, (parts, by_share, by_rate) in pieces.items():
            mean = (share * by_share).sum(1, keepdims=True)
            variance = ((share * (by_share - mean) ** 2).sum(1) / self.all_count[:, rows[0]]).sum() + (by_rate**2 * noise).sum()
            total, reach = float(parts.sum()), quantile * float(np.sqrt(variance))
            found |= {
                f"dimension_{effect}_effect": total,
                f"dimension_{effect}_effect_lower": total - reach,
                f"dimension_{effect}_effect_upper": total + reach,
            }
        return found


def normal_quantiles(level: np.ndarray) -> np.ndarray:
    """`normal_quantile` of 1 - each level."""
    return np.array([normal_quantile(1 - each) for each in level])


def groups(keys: list[tuple]) -> dict[tuple, np.ndarray]:
    """Positions of each key, in the order of the first."""
    found: dict[tuple, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return {key: np.array(positions) for key, positions in found.items()}


def judge(found: dict[str, np.ndarray], columns: dict[str, list], fdr_level: float) -> None:
    """Fill q values, levels and verdicts of `found` from its p values; `columns`: KEYS, comparison and is_headline."""
    tiers: dict[tuple, dict[tuple, np.ndarray]] = {}
    for effect in EFFECTS:
        families = [
            (is_headline, dimension == "all", comparison) if dimension == "all" else (is_headline, False, period_type, start, dimension)
            for is_headline, comparison, period_type, start, dimension in zip(
                columns["is_headline"], columns["comparison"], *(columns[name] for name in KEYS[:3]), strict=True
            )
        ]
        for family, rows in groups(families).items():
            tested = rows[found[f"{effect}_verdict"][rows] == "no_signal"]
            if len(tested):
                tiers.setdefault(family[:2], {})[effect, *family] = tested
    for families in tiers.values():
        q_values = [correct(found[f"{effect}_p_value"][rows], fdr_level, fewest=1).adjusted for (effect, *_), rows in families.items()]
        family_q_values, level = threshold([each.min() for each in q_values], fdr_level)
        for number, ((effect, *_), rows) in enumerate(families.items()):
            correction = correct(found[f"{effect}_p_value"][rows], level, fewest=1)
            found[f"{effect}_q_value"][rows] = correction.adjusted
            found[f"{effect}_family_q_value"][rows] = family_q_values[number]
            found[f"{effect}_confidence_level"][rows] = 1 - correction.each_level
            found["q_threshold"][rows] = level
            found[f"{effect}_verdict"][rows[found[f"{effect}_p_value"][rows] <= correction.each_level]] = "signal"


def estimate(
    columns: dict[str, list],
    comparisons: dict[tuple, Whole],
    min_deals: float,
    confidence_level: float,
    fdr_level: float,
) -> dict[str, np.ndarray]:
    """FIGURES, `rate_verdict` and `mix_verdict` of every row. `columns`: KEYS, COUNTS, RATES, comparison and is_headline of
    `int_win_rate_changes`; `comparisons`: by period_type and period_start_date."""
    size = len(columns["segment_value"])
    found = {name: np.full(size, np.nan) for name in FIGURES} | {
        f"{effect}_verdict": np.full(size, "no_signal", object) for effect in EFFECTS
    }
    if not size:
        return found
    wholes = [comparisons[key] for key in zip(columns["period_type"], columns["period_start_date"], strict=True)]
    found["dispersion"] = np.array([each.dispersion for each in wholes])
    changes = Changes(columns, np.stack([each.size for each in wholes], axis=1), found["dispersion"])
    is_total = np.array([dimension == "all" for dimension in columns["segment_dimension"]])
    mix_effect, mix_error = changes.mix_effect()
    found["rate_p_value"] = np.where(is_total, [each.p_value for each in wholes], two_sided(pooled_z(changes.newer, changes.older)))
    found["mix_p_value"][mix_error > 0] = two_sided(mix_effect[mix_error > 0] / mix_error[mix_error > 0])

    # A rate needs deals in both periods, a share needs them in both periods together.
    count = np.array([columns["previous_closed_deal_count"], columns["closed_deal_count"]], float)
    few = {"rate": count.min(0) < min_deals, "mix": (changes.all_count.min(0) < min_deals) | (count.sum(0) < min_deals)}
    for effect in EFFECTS:
        found[f"{effect}_verdict"][np.isnan(found[f"{effect}_p_value"])] = "not_computable"
        found[f"{effect}_verdict"][few[effect]] = "insufficient_n"
    judge(found, columns, fdr_level)

    levels = {}
    for effect in EFFECTS:
        own = found[f"{effect}_confidence_level"]
        own[np.isnan(own)] = confidence_level
        levels[effect] = 1 - own
    rates = changes.rate_interval(levels["rate"])
    for row in np.flatnonzero(is_total):
        rates[0][row], rates[1][row] = wholes[row].interval(normal_quantile(1 - levels["rate"][row]))
    reach = normal_quantiles(levels["mix"]) * mix_error
    for effect, ends in (("rate", rates), ("mix", (mix_effect - reach, mix_effect + reach))):
        is_untested = found[f"{effect}_verdict"] == "insufficient_n"
        found[f"{effect}_effect_lower"], found[f"{effect}_effect_upper"] = (np.where(is_untested, np.nan, each) for each in ends)
        found[f"{effect}_confidence_level"][is_untested] = np.nan
    quantile = normal_quantile(confidence_level)
    for rows in groups(list(zip(*(columns[name] for name in KEYS[:3]), strict=True))).values():
        for name, value in changes.of_dimension(rows, wholes[rows[0]].dispersion, quantile).items():
            found[name][rows] = value
    return found


def compare_all(rows: dict[str, list], months: dict[str, list]) -> dict[tuple, Whole]:
    """`rows`: MONTHS of `int_win_rate_comparisons`; `months`: `int_whole_months`."""
    arrays = {name: np.array(rows[name], float) for name in ("closed_deal_count", "won_deal_count", "deal_weight")} | {
        "month": month_numbers(rows["closed_month"]),
        "is_previous": np.array(rows["is_previous"], bool),
        "stratum": np.array(rows["stratum"], int),
    }
    series = {
        "month": month_numbers(months["month_start"]),
        "won": np.array(months["won_deal_count"], float),
        "count": np.array(months["closed_deal_count"], float),
    }
    keys = list(zip(rows["period_type"], rows["period_start_date"], strict=True))
    return {key: compare({name: values[at] for name, values in arrays.items()}, series) for key, at in groups(keys).items()}


def model(dbt, session):
    dbt.config(materialized="table")
    columns = read_columns(dbt.ref("int_win_rate_changes"), [*KEYS, "comparison", "is_headline", *COUNTS, *RATES], KEYS)
    rows = read_columns(dbt.ref("int_win_rate_comparisons"), MONTHS, ("period_type", "period_start_date", "closed_month"))
    months = read_columns(dbt.ref("int_whole_months"), ("month_start", "closed_deal_count", "won_deal_count"), ("month_start",))
    [(fdr_level,)] = dbt.ref("int_verdict_level").project("fdr_level").fetchall()
    found = estimate(columns, compare_all(rows, months), fdr_level=fdr_level, **dbt.config.meta_get("settings"))
    texts = ("period_type", "segment_dimension", "segment_value", *(f"{effect}_verdict" for effect in EFFECTS))
    return from_columns(columns | found, {str: texts, datetime.date: ("period_start_date",), float: FIGURES})
