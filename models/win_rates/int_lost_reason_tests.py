"""One row per lost_reason: is its share of the lost deals different from what it was in the four quarters before, or is it chance?

Shares sum to 1, so when one reason grows the others shrink. A reason is therefore compared with those that don't stand out: the one whose
share changed most beyond chance leaves, as long as more than two are left, and what the others are shares of is the rest. Then each reason,
whether it left or not, is tested once: its share of the deals lost for it or for a reason that stayed, now against before, by the pooled z
test, with the score interval that is its inverse (Mee 1984), at the level corrected for the number of reasons. Two reasons are one
comparison. Reasons too small to be judged stand together as one group that others are compared with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion, normal_quantile, ratio, score_interval, wilson
from inference.multiplicity import correct, reference_set, shrink_differences
from inference.significance import pooled_z, smallest_difference, two_sided
from inference.tables import from_columns, listed, read_columns

LOST = ("lost_deal_count", "previous_lost_deal_count")
CHANGE = (
    "share_change", "share_change_lower", "share_change_upper", "share_change_confidence_level", "shrunk_share_change",
    "detectable_share_change", "p_value", "adjusted_p_value",
)  # fmt: skip
FIGURES = (*(f"{period}lost_share_{end}" for period in ("", "previous_") for end in ("lower", "upper")), *CHANGE)
COUNTS = ("compared_lost_deal_count", "previous_compared_lost_deal_count", "reference_reason_count")
TEXTS = ("reference_reasons", "verdict", "missing_reason")
FLAGS = ("is_in_reference",)
SMALL = "small reasons together"
Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    min_deals: float
    min_expected_deals: float  # in either period, for the reason and for the others
    confidence_level: float


def shares(count: Array, active: Array) -> tuple[Proportion, Proportion]:
    """Share of each reason, now and before, of the deals lost for it and the other active reasons. `count`: 2 x reasons."""
    others = np.where(active, count, 0).sum(axis=1, keepdims=True) - np.where(active, count, 0)
    now, before = (Proportion(own, own + rest) for own, rest in zip(count, others, strict=True))
    return now, before


def is_too_few(now: Proportion, before: Proportion, settings: Settings) -> Array:
    """Whether fewer deals than can be tested are expected in either period, of a reason or of the others, if no share changed."""
    share = ratio(now.hits + before.hits, now.count + before.count)
    return ~(np.minimum(now.count, before.count) * np.minimum(share, 1 - share) >= settings.min_expected_deals)


def compare(names: Sequence[str], count: Array, settings: Settings, level: float) -> dict[str, Array]:
    """CHANGE, COUNTS, TEXTS and FLAGS of each group of reasons."""
    reference = reference_set(lambda active: pooled_z(*shares(count, active)), len(names), level)
    now, before = shares(count, reference)
    is_few = is_too_few(now, before, settings)
    pooled = ratio(now.hits + before.hits, now.count + before.count)
    p_value = np.where(is_few, np.nan, two_sided(pooled_z(now, before)))
    corrected = correct(p_value, level)
    difference, lower, upper = score_interval(now, before, normal_quantile(1 - corrected.each_level))
    error = np.sqrt(pooled * (1 - pooled) * (ratio(1, now.count) + ratio(1, before.count)))
    found = {
        "share_change": difference, "share_change_lower": lower, "share_change_upper": upper,
        "share_change_confidence_level": np.full(len(names), 1 - corrected.each_level),
        "shrunk_share_change": shrink_differences(np.where(is_few, np.nan, difference), error, lower, upper),
        "detectable_share_change": smallest_difference(now.count, before.count, pooled, corrected.each_level),
        "p_value": p_value, "adjusted_p_value": corrected.adjusted,
    }  # fmt: skip
    found = {name: np.where(is_few, np.nan, each) for name, each in found.items()}
    others = [[name for name, stays in zip(names, reference, strict=True) if stays and name != own] for own in names]
    return found | {
        "compared_lost_deal_count": now.count.astype(int),
        "previous_compared_lost_deal_count": before.count.astype(int),
        "reference_reason_count": np.array([len(each) for each in others]),
        "reference_reasons": np.array([listed(each) for each in others], object),
        "is_in_reference": reference,
        "verdict": np.where(is_few, "insufficient_n", np.where(p_value <= corrected.each_level, "signal", "no_signal")).astype(object),
        "missing_reason": np.where(is_few, "too few deals were lost for the reasons compared", None).astype(object),
    }


def estimate(columns: Mapping[str, Sequence], settings: Settings, level: float) -> dict[str, Array]:
    """FIGURES, COUNTS, TEXTS and FLAGS of every reason. `columns`: lost_reason and LOST, the newer period first."""
    names, count = [*columns["lost_reason"]], np.array([columns[name] for name in LOST], float)
    size, quantile = len(names), normal_quantile(settings.confidence_level)
    now, before = shares(count, np.ones(size, bool))
    is_few = (count.sum(axis=0) < settings.min_deals) | is_too_few(now, before, settings) | (count.sum(axis=1).min() < settings.min_deals)
    is_alone = (count.sum(axis=0) > 0).sum() < 2
    verdict, reason = ("not_computable", "there is no other reason") if is_alone else ("insufficient_n", "too few lost deals")
    found: dict[str, Array] = {name: np.full(size, np.nan) for name in CHANGE}
    found |= {name: np.full(size, None, object) for name in (*COUNTS, "reference_reasons", *FLAGS)}
    found |= {"verdict": np.full(size, verdict, object), "missing_reason": np.full(size, reason, object)}
    found["lost_share_lower"], found["lost_share_upper"] = wilson(now, quantile)
    found["previous_lost_share_lower"], found["previous_lost_share_upper"] = wilson(before, quantile)

    judged, small = np.flatnonzero(~is_few), count[:, is_few].sum(axis=1)
    groups, labels = count[:, judged], [names[each] for each in judged]
    if small.sum() >= settings.min_deals:
        groups, labels = np.column_stack([groups, small]), [*labels, SMALL]
    if len(labels) < 2:
        found["verdict"][judged], found["missing_reason"][judged] = "not_computable", "there is no other reason"
        return found
    for name, each in compare(labels, groups, settings, level).items():
        found[name][judged] = each[: len(judged)]
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings(**dbt.config.meta_get("settings"))
    [(level,)] = dbt.ref("int_verdict_level").project("fdr_level").fetchall()
    columns = read_columns(dbt.ref("int_lost_reason_counts"), ["lost_reason", *LOST], ["lost_reason"])
    found = estimate(columns, settings, level)
    return from_columns(columns | found, {str: ("lost_reason", *TEXTS), int: COUNTS, float: FIGURES, bool: FLAGS})
