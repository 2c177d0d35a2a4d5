"""One row per segment_dimension and segment_value: do its won and its lost deals take equally long, or is the gap more than chance?

Everything is computed from counts by day (`int_cycle_day_counts`); a segment with fewer than `min_segment_deals` won or lost deals
is not judged. The test is Mann and Whitney's, with the corrections for ties and continuity. The shift, in days, is Hodges and Lehmann's,
and its interval holds all shifts that this test doesn't reject, so it leaves 0 out for signals, and for nothing else. For both, a difference of d
whole days between a won and a lost deal is any from d - 1/2 to d + 1/2, all alike.

Deals of one account are alike in how long they take and in how they end. What they have in common is the correlation of their terms in the
statistic (`int_cycle_accounts`); it makes the standard deviation of U larger by the root of the segment's design effect.

A family is a dimension, 'all' one of its own: p values are corrected for its segments, each of which is a test (Bonferroni, from twelve on
Benjamini-Hochberg). Benjamini-Hochberg over the families' least corrected p values selects R of m, and a segment is a signal when its corrected p is
at most `fdr_level` x R / m (Benjamini and Bogomolov 2014).
"""

import numpy as np
from scipy.special import ndtr, ndtri

from inference.clusters import Accounts, design_effect, within_account_correlation
from inference.multiplicity import correct, threshold
from inference.tables import from_rows, read_rows

KEYS = ("segment_dimension", "segment_value")
TEXTS = ("verdict", "missing_reason")
FIGURES = (
    "cycle_shift_days",
    "cycle_shift_lower_days",
    "cycle_shift_upper_days",
    "cycle_shift_confidence_level",
    "mann_whitney_p_value",
    "adjusted_p_value",
    "p_value_threshold",
    "family_q_value",
    "design_effect",
)
SUMS = ("account_count", "deal_count", "squared_deal_count", "between_accounts", "total")
CONTINUITY = 0.5


class RankTest:
    """Mann and Whitney's test of won and lost deals, counted by day: U counts the pairs in which the won deal took longer, ties as halves."""

    def __init__(self, won: np.ndarray, lost: np.ndarray, effect: float = 1.0) -> None:
        """`won`, `lost`: deals by day, equally long, neither empty. `effect`: how many deals stand for one independent deal."""
        count, other = int(won.sum()), int(lost.sum())
        both, total = won + lost, count + other
        ties = float(np.sum(both.astype(float) ** 3 - both)) / (total * (total - 1))
        self.deviation = float(np.sqrt(effect * count * other / 12 * max(0.0, total + 1 - ties)))  # of U, if nothing differs
        self.half = count * other / 2  # of the pairs
        pairs = np.convolve(won.astype(float), lost[::-1].astype(float))
        # Pairs whose difference is below d - 1/2, for each whole d in `days`: between these points they are spread evenly.
        self.days = np.arange(len(pairs) + 1) - (len(lost) - 1) - 0.5
        self.below = np.concatenate([[0.0], np.cumsum(pairs)])
        self.u = float(self.below[-1] - np.interp(0.0, self.days, self.below))

    def p_value(self) -> float:
        """Two-sided; 1 when all deals took equally long."""
        if self.deviation == 0:
            return 1.0
        return float(min(1.0, 2 * ndtr((CONTINUITY - abs(self.u - self.half)) / self.deviation)))

    def shift(self) -> float:
        """The shift of which as many pairs lie below as above."""
        return (self.first(self.half) + self.last(self.half)) / 2

    def interval(self, level: float) -> tuple[float, float]:
        """All shifts that the test at this level doesn't reject; where it rejects none, all differences that there are, and 0."""
        reach = CONTINUITY + float(ndtri(1 - level / 2)) * self.deviation
        if reach >= self.half:
            least = self.days[np.searchsorted(self.below, 0.0, side="right") - 1]
            most = self.days[np.searchsorted(self.below, self.below[-1], side="left")]
            return min(0.0, float(least)), max(0.0, float(most))
        return self.first(self.half - reach), self.last(self.half + reach)

    def first(self, pairs: float) -> float:
        """The least shift that has so many pairs below it."""
        at = int(np.searchsorted(self.below, pairs, side="left"))
        return self.between(at, pairs)

    def last(self, pairs: float) -> float:
        """The greatest shift that has so many pairs below it."""
        at = int(np.searchsorted(self.below, pairs, side="right"))
        return self.between(at, pairs)

    def between(self, at: int, pairs: float) -> float:
        low, high = self.below[at - 1], self.below[at]
        return float(self.days[at - 1] + (pairs - low) / (high - low))


def design_effects(accounts: dict[tuple[str, str], Accounts]) -> dict[tuple[str, str], float]:
    """By segment, with one correlation for the file."""
    correlation = within_account_correlation(accounts["all", "all"]) if accounts else 0.0
    return {key: float(design_effect(correlation, each.deal_count, each.squared_deal_count)) for key, each in accounts.items()}


def judge(
    rows: list[tuple], accounts: dict[tuple[str, str], Accounts], min_deals: float, min_accounts: float, fdr_level: float
) -> dict[tuple[str, str], dict[str, float]]:
    """FIGURES and TEXTS by segment. `rows`: (segment_dimension, segment_value, is_won, cycle_days, deal_count)."""
    days: dict[tuple[str, str], tuple[dict[int, int], dict[int, int]]] = {}
    for dimension, value, is_won, cycle_days, deal_count in rows:
        days.setdefault((dimension, value), ({}, {}))[0 if is_won else 1][cycle_days] = deal_count

    found, tests, effects = {}, {}, design_effects(accounts)
    for key, arms in days.items():
        found[key] = dict.fromkeys(FIGURES, np.nan) | {"verdict": "insufficient_n", "missing_reason": None}
        if min(sum(arm.values()) for arm in arms) < max(1, min_deals):
            continue
        if key in accounts and accounts[key].account_count < min_accounts:
            found[key]["missing_reason"] = "too few accounts"
            continue
        last, found[key]["design_effect"] = max(max(arm) for arm in arms), effects.get(key, 1.0)
        by_day = (np.array([arm.get(day, 0) for day in range(last + 1)], np.int64) for arm in arms)
        tests[key] = RankTest(*by_day, found[key]["design_effect"])

    families: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(tests):
        families.setdefault(key[0], []).append(key)
    p_values = [np.array([tests[key].p_value() for key in family]) for family in families.values()]
    least = [float(correct(family, fdr_level, two_are_one=False).adjusted.min()) for family in p_values]
    q_values, level = threshold(least, fdr_level)
    for number, family in enumerate(families.values()):
        corrected = correct(p_values[number], level, two_are_one=False)
        for place, key in enumerate(family):
            lower, upper = tests[key].interval(corrected.each_level)
            found[key] |= {
                "cycle_shift_days": tests[key].shift(),
                "cycle_shift_lower_days": lower,
                "cycle_shift_upper_days": upper,
                "cycle_shift_confidence_level": 1 - corrected.each_level,
                "mann_whitney_p_value": float(p_values[number][place]),
                "adjusted_p_value": float(corrected.adjusted[place]),
                "p_value_threshold": level,
                "family_q_value": float(q_values[number]),
                "verdict": "signal" if p_values[number][place] <= corrected.each_level else "no_signal",
            }
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    level = dbt.ref("int_verdict_level").project("fdr_level").fetchone()[0]
    counts = dbt.ref("int_cycle_day_counts").filter("is_included")
    rows = (
        counts.project(", ".join([*KEYS, "is_won", "cycle_days", "deal_count"]))
        .order(", ".join([*KEYS, "is_won", "cycle_days"]))
        .fetchall()
    )
    accounts = {
        tuple(row[name] for name in KEYS): Accounts(*(row[name] for name in SUMS))
        for row in read_rows(dbt.ref("int_cycle_accounts"), [*KEYS, *SUMS], KEYS)
    }
    found = judge(rows, accounts, **dbt.config.meta_get("settings"), fdr_level=level)
    table = [dict(zip(KEYS, key, strict=True)) | figures for key, figures in found.items()]
    return from_rows(table, {str: (*KEYS, *TEXTS), float: FIGURES})
