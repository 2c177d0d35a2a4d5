"""One row per segment_dimension, segment_value and period: is the segment's win rate different, or is it chance?

A family is a dimension in a period; a tier is a set of families that are judged together (`verdict_tier`: the primary dimensions over all
time, the other single dimensions, pairs, single dimensions by period). A segment is compared with its reference set: the segments that
don't stand out from each other. While more than two are left, the one whose rate is the farthest from that of the others, in standard
errors, leaves if its p x segments left is at most the threshold. Then each segment, whether it left or not, is tested once against those
that stayed, itself left out: the pooled z test, and the score interval that is its inverse (Mee 1984), at the threshold corrected for the
number of segments. So verdict, difference, interval and p value can't contradict each other.

The threshold of a tier is level x R / m: R of its m families have a segment whose adjusted p value against all others passes
Benjamini-Hochberg (Benjamini and Bogomolov 2014). It is one for all families, selected or not.

What a combination of two segments is compared with is what both lead to by themselves: main effects on the log odds, fitted to the cells
that don't stand out, the cell itself left out. What is judged is the interaction.

Deals of one account are alike, so a segment's deals count for as many as they are worth: divided by 1 + correlation x (deals that an
account has there - 1). The correlation is one for each dimension. Of a pair it is the larger of its two dimensions', and the deals of an
account are at most as many as in either segment.

Segments that are too small to be judged stand together as one group that others are compared with.

`python -m tools simulate segments` says how often a verdict is wrong and what it finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inference.clusters import Accounts, design_effect, within_account_correlation
from inference.intervals import Proportion, normal_quantiles, ratio, score_interval
from inference.main_effects import MainEffects, fit_main_effects
from inference.multiplicity import correct, reference_set, shrink_differences, threshold, without_each
from inference.significance import pooled_z, smallest_difference, two_sided
from inference.tables import from_columns, read_columns, read_rows

KEYS = ("segment_dimension", "segment_value", "period")
COUNTS = ("closed_deal_count", "won_deal_count")
PAIR = ("first_segment_value", "second_segment_value")
ACCOUNTS = ("account_count", "squared_deal_count")
SUMS = ("account_count", "deal_count", "squared_deal_count", "between_square", "total_square")
WHOLE = (
    "account_count",
    "family_segment_count",
    "tier_family_count",
    "tier_selected_family_count",
    "reference_segment_count",
    "reference_deal_count",
)
COMPARED = (
    "reference_win_rate", "vs_reference_difference", "vs_reference_lower", "vs_reference_upper", "shrunk_vs_reference_difference",
    "vs_reference_p_value", "adjusted_p_value", "vs_reference_confidence_level", "detectable_difference",
)  # fmt: skip
FIGURES = ("design_effect", *COMPARED, "p_value_threshold", "family_p_value", "family_q_value")
TEXTS = ("verdict", "missing_reason", "reference_segments")
FLAGS = ("is_in_reference",)
MOST_NAMES = 4  # of a reference set, that are listed
Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    min_deals: float
    min_accounts: float
    min_expected_deals: float  # won, and lost, that a judged segment is worth at its family's rate
    fdr_level: float


@dataclass(frozen=True)
class Groups:
    """The segments of a family that are compared, in order of their names; the last may be the small ones, taken together."""

    rows: Array  # positions in the input; of the small ones taken together there is none
    names: list[str]
    won: Array
    count: Array
    effect: Array  # design effects
    pair: tuple[Array, Array] | None  # the two values of a pair
    rate: float  # of all deals of the family

    @cached_property
    def worth(self) -> Proportion:
        return Proportion(self.won / self.effect, self.count / self.effect)

    def main_effects(self, active: Array) -> MainEffects:
        return fit_main_effects(*self.pair, np.where(active, self.worth.hits, 0), np.where(active, self.worth.count, 0))

    def reference(self, active: Array) -> Proportion:
        """What each group is compared with when these are in the reference set: as many deals as it is worth."""
        if self.pair:
            return self.main_effects(active).without_each(*(np.where(active, each, 0) for each in (self.worth.hits, self.worth.count)))
        others = without_each(Proportion(self.won, self.count), active)
        spread = without_each(Proportion(self.count * self.effect, self.count), active).hits
        return Proportion.of_rate(others.rate, ratio(others.count**2, spread))

    def z(self, active: Array) -> Array:
        return pooled_z(self.worth, self.reference(active))

    def z_of_leaving(self, active: Array) -> Array:
        """z of the groups that may still leave: of a pair, as long as the rest can tell main effects from interactions."""
        if self.pair and self.main_effects(active).degrees_of_freedom < 2:
            return np.full(len(active), np.nan)
        return self.z(active)

    @cached_property
    def p_value(self) -> float:
        """The least adjusted p value of a group against all others; NaN where no group can be compared."""
        everything = np.ones(len(self.count), bool)
        if len(self.count) < 2 or self.pair and self.main_effects(everything).degrees_of_freedom < 1:
            return np.nan
        adjusted = correct(two_sided(self.z(everything)), 1.0).adjusted
        return float(np.nanmin(adjusted)) if np.isfinite(adjusted).any() else np.nan

    def named(self, reference: Array) -> list[str]:
        """Who each group is compared with, the group itself left out."""
        found = []
        for own in range(len(self.names)):
            names = [name for other, name in enumerate(self.names) if reference[other] and other != own]
            more = len(names) - MOST_NAMES
            found.append(", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else ""))
        return found


def compare(groups: Groups, level: float) -> dict[str, Array]:
    """Every group against the reference set, at the level of its tier; its interval comes later, with those of all families."""
    reference = reference_set(groups.z_of_leaving, len(groups.count), level)
    others = groups.reference(reference)
    p_value = two_sided(pooled_z(groups.worth, others))
    corrected = correct(p_value, level)
    is_known = np.isfinite(p_value)
    return {
        "is_in_reference": reference,
        "reference_segments": np.array(groups.named(reference), object),
        "reference_segment_count": reference.sum() - reference,
        "reference_deal_count": without_each(Proportion(groups.won, groups.count), reference).count,
        "reference_win_rate": np.where(is_known, others.rate, np.nan),
        "reference_worth": others.count,
        "vs_reference_p_value": p_value,
        "adjusted_p_value": corrected.adjusted,
        "vs_reference_confidence_level": np.full(len(p_value), 1 - corrected.each_level),
        "detectable_difference": smallest_difference(groups.worth.count, others.count, groups.rate, corrected.each_level),
        "verdict": np.where(is_known, np.where(corrected.adjusted <= level, "signal", "no_signal"), "not_computable").astype(object),
        "missing_reason": np.where(is_known, None, "all or none of the deals compared are won").astype(object),
    }


def differences(found: Mapping[str, Array], won: Array, count: Array, families: Sequence[Array]) -> dict[str, Array]:
    """The difference of every row to its reference, its interval, and what of it to expect again: shrunk inside each of the families."""
    own = Proportion(won / found["design_effect"], count / found["design_effect"])
    others = Proportion.of_rate(found["reference_win_rate"], found["reference_worth"])
    difference, lower, upper = score_interval(own, others, normal_quantiles(found["vs_reference_confidence_level"]))
    pooled = ratio(own.hits + others.hits, own.count + others.count)
    error = np.sqrt(pooled * (1 - pooled) * (ratio(1, own.count) + ratio(1, others.count)))
    shrunk = np.full(len(won), np.nan)
    for rows in families:
        shrunk[rows] = shrink_differences(difference[rows], error[rows], lower[rows], upper[rows])
    return {
        "vs_reference_difference": difference,
        "vs_reference_lower": lower,
        "vs_reference_upper": upper,
        "shrunk_vs_reference_difference": shrunk,
    }


# From rows to families


def effects_of(counts: Mapping[str, Sequence], correlations: Mapping[str, float]) -> Array:
    """Design effect of every row. A pair has no accounts of its own: its correlation and its accounts are bounded by its two segments'."""
    deals, squares = (
        np.asarray(counts["closed_deal_count"], float),
        np.array([np.nan if n is None else n for n in counts["squared_deal_count"]]),
    )
    correlation = np.array([correlations.get(dimension, 0.0) for dimension in counts["segment_dimension"]])
    effects = np.where(np.isnan(squares), 1.0, design_effect(correlation, deals, squares))
    keys = list(zip(*(counts[name] for name in KEYS), strict=True))
    others = dict(zip(keys, design_effect(1.0, deals, squares) - 1, strict=True))  # deals of the account besides each deal
    for row, pair in enumerate(zip(*(counts[name] for name in PAIR), strict=True)):
        if pair[0] is not None:
            parts = list(zip(counts["segment_dimension"][row].split(" x "), pair, strict=True))
            bound = min(others.get((*part, "all"), 0.0) for part in parts)
            effects[row] = 1 + max(correlations.get(dimension, 0.0) for dimension, _ in parts) * bound
    return effects


def why_not(count: Array, accounts: Array, worth: Array, rate: float, settings: Settings) -> list[str | None]:
    """Why a segment can't be judged. `accounts`: NaN where they aren't counted."""
    expected = worth * min(rate, 1 - rate)
    reasons = {
        "too few closed deals": count < settings.min_deals,
        "too few accounts": accounts < settings.min_accounts,
        "too few won or lost deals to expect": (expected < settings.min_expected_deals) & (expected > 0),
    }
    return [next((reason for reason, holds in reasons.items() if holds[row]), None) for row in range(len(count))]


def gather(rows: list[int], counts: Mapping[str, Sequence], effect: Array, settings: Settings) -> tuple[Groups, dict[int, str]]:
    """The groups of a family, and of the rows that aren't among them the reason."""
    rows = sorted(rows, key=lambda row: counts["segment_value"][row])
    won, count = (np.array([counts[name][row] for row in rows], float) for name in ("won_deal_count", "closed_deal_count"))
    accounts = np.array([counts["account_count"][row] for row in rows], float)
    rate = float(won.sum() / count.sum()) if count.sum() else np.nan
    reasons = why_not(count, accounts, count / effect[rows], rate, settings)
    judged = np.array([reason is None for reason in reasons], bool)
    rows = np.array(rows, int)
    is_pair = counts["first_segment_value"][rows[0]] is not None
    names = [counts["segment_value"][row] for row in rows[judged]]
    groups = [won[judged], count[judged], effect[rows][judged]]
    small = count[~judged].sum()
    if small >= settings.min_deals and not is_pair:
        spread = np.sum(count[~judged] * effect[rows][~judged]) / small
        names.append(f"{int((count[~judged] > 0).sum())} small segments together")
        groups = [np.append(each, extra) for each, extra in zip(groups, (won[~judged].sum(), small, spread), strict=True)]
    pair = tuple(np.array([counts[name][row] for row in rows[judged]], str) for name in PAIR) if is_pair else None
    found = Groups(rows[judged], names, *groups, pair, rate)
    return found, {int(row): reason for row, reason in zip(rows, reasons, strict=True) if reason}


def judge(counts: Mapping[str, Sequence], correlations: Mapping[str, float], settings: Settings) -> dict[str, Array]:
    """WHOLE, FIGURES, TEXTS and FLAGS of every row. `counts` holds KEYS, verdict_tier (None: not judged), PAIR (None: no pair), COUNTS and
    ACCOUNTS (None: not counted)."""
    size = len(counts["closed_deal_count"])
    found = {name: np.full(size, np.nan) for name in FIGURES}
    found |= {name: np.zeros(size, np.int64) for name in WHOLE} | {name: np.zeros(size, bool) for name in FLAGS}
    found |= {name: np.full(size, None, object) for name in TEXTS}
    is_small = np.asarray(counts["closed_deal_count"]) < settings.min_deals
    found["verdict"][:] = np.where(is_small, "insufficient_n", "not_computable")
    found["missing_reason"][is_small] = "too few closed deals"
    found["account_count"] = np.array([np.nan if each is None else each for each in counts["account_count"]])
    found["design_effect"] = effects_of(counts, correlations)

    found["reference_worth"], judged = np.full(size, np.nan), []
    members: dict[str, dict[tuple[str, str], list[int]]] = {}
    for row, tier in enumerate(counts["verdict_tier"]):
        if tier is not None:
            members.setdefault(tier, {}).setdefault((counts["segment_dimension"][row], counts["period"][row]), []).append(row)
    for families in members.values():
        gathered = [(rows, *gather(rows, counts, found["design_effect"], settings)) for rows in families.values()]
        testable = [groups.p_value for _, groups, _ in gathered if np.isfinite(groups.p_value)]
        q_values, level = threshold(testable, settings.fdr_level)
        q_values = iter(q_values)
        for rows, groups, reasons in gathered:
            for row, reason in reasons.items():
                found["verdict"][row], found["missing_reason"][row] = "insufficient_n", reason
            found["family_segment_count"][rows] = len(groups.rows)
            found["tier_family_count"][rows] = len(testable)
            found["tier_selected_family_count"][rows] = np.sum(np.array(testable) <= level)
            if not np.isfinite(groups.p_value):
                found["missing_reason"][groups.rows] = "no other segment to compare it with" if len(groups.count) < 2 else "nothing varies"
                continue
            found["family_p_value"][rows], found["family_q_value"][rows] = groups.p_value, next(q_values)
            found["p_value_threshold"][rows] = level
            for name, values in compare(groups, level).items():
                found[name][groups.rows] = values[: len(groups.rows)]
            judged.append(groups.rows)
    won, count = (np.asarray(counts[name], float) for name in ("won_deal_count", "closed_deal_count"))
    return found | differences(found, won, count, judged)


def model(dbt, session):
    dbt.config(materialized="table")
    names = [*KEYS, "verdict_tier", *PAIR, *COUNTS]
    counts = read_columns(dbt.ref("int_segment_win_counts"), names, KEYS)
    accounts = {
        tuple(row[name] for name in KEYS): row for row in read_rows(dbt.ref("int_segment_account_counts"), [*KEYS, *ACCOUNTS], KEYS)
    }
    known = [accounts.get(key, {}) for key in zip(*(counts[name] for name in KEYS), strict=True)]
    counts |= {name: [each.get(name) for each in known] for name in ACCOUNTS}
    sums = read_rows(dbt.ref("int_account_sums"), ["segment_dimension", *SUMS], ["segment_dimension"])
    correlations = {row["segment_dimension"]: within_account_correlation(Accounts(*(float(row[name]) for name in SUMS))) for row in sums}
    level = dbt.ref("int_verdict_level").project("fdr_level").fetchone()[0]
    found = judge(counts, correlations, Settings(fdr_level=level, **dbt.config.meta_get("settings")))
    return from_columns(counts | found, {str: (*KEYS, *TEXTS), bool: FLAGS, int: WHOLE, float: FIGURES})
