"""One row per period_type, period_start_date, segment_dimension and segment_value: how sure are the rate and the mix effect?

Everything is computed from the counts of `int_win_rate_changes`. Deals are independent, and each is a draw from the segments and
outcomes of its period: shares vary as multinomial proportions do, rates as binomial ones.

The total ('all') and the segments are judged apart: two tiers, each over all comparisons of all period types. In the total's tier a
comparison of two periods is a family of one; in the segments' the rate effects and the mix effects of each dimension and comparison
are one each. Benjamini-Hochberg over a family gives q values, whose smallest is Simes' p value of the family. Benjamini-Hochberg over
the tier's families selects R of m, inside which an effect is a signal when its q value is at most `fdr_level` x R / m (Benjamini and
Bogomolov 2014).

Simulated, 160 closed deals a month in six dimensions for two years: pure noise has a signal in 7 % of 1,000 CRMs (in 17 % with tiers
for each period type). A win rate that is 10 points lower in the last half-year is found in the total in 93 % of 300 (97 %).
Intervals of 95 % hold in 93 to 100 % of 2,000 at 150 deals or more a period, in 91 to 100 % at 60; the wide ones are of mix effects near 0.
"""

import datetime

import numpy as np

from inference.intervals import Proportion, newcombe_reach, normal_quantile, ratio
from inference.multiplicity import select_members
from inference.significance import pooled_z, two_sided
from inference.tables import from_columns, read_columns

KEYS = ("period_type", "period_start_date", "segment_dimension", "segment_value")
COUNTS = ("closed_deal_count", "won_deal_count", "previous_closed_deal_count", "previous_won_deal_count")
ALL_FIGURES = ("all_deal_count", "previous_all_deal_count", "all_win_rate", "previous_all_win_rate")
EFFECTS = ("rate", "mix")
FIGURES = (
    *(f"{effect}_{name}" for effect in EFFECTS for name in ("effect_lower", "effect_upper", "p_value", "q_value", "family_q_value")),
    *(f"dimension_{effect}_effect{end}" for effect in EFFECTS for end in ("", "_lower", "_upper")),
    "q_threshold",
)


def spread(hits: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Variance of the proportion hits / count with one hit and one miss added (Agresti and Caffo 2000), so that it is never 0."""
    rate = (hits + 1) / (count + 2)
    return rate * (1 - rate) / (count + 2)


class Changes:
    """Rows of `int_win_rate_changes` as arrays, with period 0 the older and 1 the newer; a segment absent from a period has its other rate."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        numbers = {name: np.asarray(columns[name], float) for name in (*COUNTS, *ALL_FIGURES)}
        self.count = np.stack([numbers["previous_closed_deal_count"], numbers["closed_deal_count"]])
        self.won = np.stack([numbers["previous_won_deal_count"], numbers["won_deal_count"]])
        self.all_count = np.stack([numbers["previous_all_deal_count"], numbers["all_deal_count"]])
        self.all_rate = np.stack([numbers["previous_all_win_rate"], numbers["all_win_rate"]])
        self.older, self.newer = (Proportion(*each) for each in zip(self.won, self.count, strict=True))
        own = np.stack([self.older.rate, self.newer.rate])
        self.is_present = self.count > 0
        self.rate = np.where(self.is_present, own, own[::-1])
        self.share = self.count / self.all_count
        self.rate_change, self.mean_rate = self.rate[1] - self.rate[0], self.rate.mean(0)
        self.share_change, self.mean_share = self.share[1] - self.share[0], self.share.mean(0)
        # How far the mix effect moves with a period's rate: half the change of share, all of it if the other period has no deal.
        self.mix_by_rate = np.where(self.is_present.all(0), self.share_change / 2, np.where(self.is_present, self.share_change, 0))

    def rate_effect(self, quantile: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Effect, lower and upper end. Newcombe's interval (1998, method 10) of the change of rate times the mean share, widened by the shares' error."""
        effect = np.where(self.is_present.all(0), self.mean_share * self.rate_change, 0.0)
        below, above = newcombe_reach(self.newer, self.older, quantile)
        share_part = quantile * np.abs(self.rate_change) / 2 * np.sqrt(self.share_variance().sum(0))
        known = np.where(self.is_present.all(0), 1.0, np.nan)
        return (
            effect,
            effect - known * np.hypot(self.mean_share * below, share_part),
            effect + known * np.hypot(self.mean_share * above, share_part),
        )

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

    def of_dimension(self, rows: np.ndarray, quantile: float) -> dict[str, float]:
        """Sums of the rate and of the mix effects over the segments of one dimension and comparison, with intervals by the delta method."""
        share = self.share[:, rows]
        noise = np.where(self.is_present[:, rows], spread(self.won[:, rows], self.count[:, rows]), 0.0)
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


def groups(keys: list[tuple]) -> dict[tuple, np.ndarray]:
    """Positions of each key, in the order of the first."""
    found: dict[tuple, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return {key: np.array(positions) for key, positions in found.items()}


def judge(found: dict[str, np.ndarray], keys: list[tuple], fdr_level: float) -> None:
    """Fill q values, thresholds and verdicts of `found` from its p values; `keys`: KEYS of each row."""
    tiers: dict[bool, dict[tuple, np.ndarray]] = {}
    for (period_type, start, dimension), rows in groups([key[:3] for key in keys]).items():
        for effect in EFFECTS:
            tested = rows[found[f"{effect}_verdict"][rows] == "no_signal"]
            if len(tested):
                tiers.setdefault(dimension == "all", {})[effect, period_type, start, dimension] = tested
    for families in tiers.values():
        q_values, selection = select_members([found[f"{effect}_p_value"][rows] for (effect, *_), rows in families.items()], fdr_level)
        for number, ((effect, *_), rows) in enumerate(families.items()):
            found[f"{effect}_q_value"][rows] = q_values[number]
            found[f"{effect}_family_q_value"][rows] = selection.q_values[number]
            found["q_threshold"][rows] = selection.threshold
            if selection.is_selected[number]:
                found[f"{effect}_verdict"][rows[q_values[number] <= selection.threshold]] = "signal"


def estimate(columns: dict[str, list], min_deals: float, confidence_level: float, fdr_level: float) -> dict[str, np.ndarray]:
    """FIGURES, `rate_verdict` and `mix_verdict` of every row. `columns`: KEYS, COUNTS and ALL_FIGURES of `int_win_rate_changes`."""
    quantile, size = normal_quantile(confidence_level), len(columns["segment_value"])
    found = {name: np.full(size, np.nan) for name in FIGURES} | {
        f"{effect}_verdict": np.full(size, "no_signal", object) for effect in EFFECTS
    }
    if not size:
        return found
    changes = Changes(columns)
    _, found["rate_effect_lower"], found["rate_effect_upper"] = changes.rate_effect(quantile)
    mix_effect, mix_error = changes.mix_effect()
    found["mix_effect_lower"], found["mix_effect_upper"] = mix_effect - quantile * mix_error, mix_effect + quantile * mix_error
    found["rate_p_value"] = two_sided(pooled_z(changes.newer, changes.older))
    found["mix_p_value"] = two_sided(ratio(mix_effect, mix_error))

    keys = list(zip(*(columns[name] for name in KEYS), strict=True))
    for rows in groups([key[:3] for key in keys]).values():
        for name, value in changes.of_dimension(rows, quantile).items():
            found[name][rows] = value

    # A rate needs deals in both periods, a share needs them in both periods together.
    is_few = changes.all_count.min(0) < min_deals
    few = {"rate": changes.count.min(0) < min_deals, "mix": is_few | (changes.count.sum(0) < min_deals)}
    for effect in EFFECTS:
        found[f"{effect}_verdict"][np.isnan(found[f"{effect}_p_value"])] = "not_computable"
        found[f"{effect}_verdict"][few[effect]] = "insufficient_n"
    judge(found, keys, fdr_level)
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    columns = read_columns(dbt.ref("int_win_rate_changes"), [*KEYS, *COUNTS, *ALL_FIGURES], KEYS)
    found = estimate(columns, **dbt.config.meta_get("settings"))
    texts = ("period_type", "segment_dimension", "segment_value", *(f"{effect}_verdict" for effect in EFFECTS))
    return from_columns(columns | found, {str: texts, datetime.date: ("period_start_date",), float: FIGURES})
