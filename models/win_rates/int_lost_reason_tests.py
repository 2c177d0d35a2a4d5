"""One row per lost_reason: is its share of the lost deals different from what it was in the four quarters before, or is it chance?

The reasons are one family. First a chi-square test that all shares are what they were; only if it passes at `fdr_level` are reasons
judged, one after the other: the one that changed most against the rest leaves it if its p x remaining reasons is at most `fdr_level`,
because its change alone moves the shares of all others. Reasons that the rest holds too few of to be judged stay in the rest.
"""

import numpy as np

from inference.intervals import Proportion, newcombe, normal_quantile, wilson
from inference.multiplicity import step_down
from inference.significance import chi_square, pooled_z, two_sided
from inference.tables import from_columns, read_columns

COUNTS = ("lost_deal_count", "previous_lost_deal_count")
FIGURES = (
    *(f"{period}lost_share_{end}" for period in ("", "previous_") for end in ("lower", "upper")),
    *(f"share_change_{end}" for end in ("lower", "upper")),
    "p_value",
    "family_p_value",
    "q_value",
)


def step_down_reasons(count: np.ndarray, all_count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p value of each reason (NaN where none can be had), and which are signals. `count`: 2 x reasons, `all_count`: 2."""

    def score(active: np.ndarray) -> np.ndarray:
        left = all_count - count[:, ~active].sum(1)
        return pooled_z(Proportion(count[0], left[0]), Proportion(count[1], left[1]))

    return step_down(score, count.shape[1], level)


def estimate(columns: dict[str, list], min_deals: float, confidence_level: float, fdr_level: float) -> dict[str, np.ndarray]:
    """FIGURES and `verdict` of every reason. `columns`: COUNTS, the newer period first."""
    quantile = normal_quantile(confidence_level)
    count = np.array([columns[name] for name in COUNTS], float)
    all_count = count.sum(1)
    found = {name: np.full(count.shape[1], np.nan) for name in FIGURES}
    newer, older = (Proportion(each, of_all) for each, of_all in zip(count, all_count, strict=True))
    found["lost_share_lower"], found["lost_share_upper"] = wilson(newer, quantile)
    found["previous_lost_share_lower"], found["previous_lost_share_upper"] = wilson(older, quantile)
    _, found["share_change_lower"], found["share_change_upper"] = newcombe(newer, older, quantile)
    found["p_value"] = two_sided(pooled_z(newer, older))

    is_enough = (count.sum(0) >= min_deals) & (all_count.min() >= min_deals)
    found["verdict"] = np.where(is_enough, "not_computable", "insufficient_n").astype(object)
    judged = np.flatnonzero(is_enough)
    rest = (all_count - count[:, judged].sum(1))[:, None]
    found["family_p_value"][:] = chi_square(np.hstack([count[:, judged], rest]))
    if np.isfinite(found["family_p_value"]).all() and len(judged):
        adjusted, is_signal = step_down_reasons(count[:, judged], all_count, fdr_level)
        is_signal &= found["family_p_value"][judged] <= fdr_level
        found["q_value"][judged] = np.maximum(adjusted, found["family_p_value"][judged])
        found["verdict"][judged] = np.where(is_signal, "signal", np.where(np.isfinite(adjusted), "no_signal", "not_computable"))
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    columns = read_columns(dbt.ref("int_lost_reason_counts"), ["lost_reason", *COUNTS], ["lost_reason"])
    found = estimate(columns, **dbt.config.meta_get("settings"))
    return from_columns(columns | found, {str: ("lost_reason", "verdict"), float: FIGURES})
