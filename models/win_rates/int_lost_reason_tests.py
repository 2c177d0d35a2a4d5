"""One row per lost_reason: is its share of the lost deals different from what it was in the four quarters before, or is it chance?

The reasons are one family. First a chi-square test that all shares are what they were; only if it passes at `fdr_level` are reasons
judged, one after the other: the one that changed most against the rest leaves it if its p x remaining reasons is at most `fdr_level`,
because its change alone moves the shares of all others. Reasons that the rest holds too few of to be judged stay in the rest.
"""

import numpy as np

COUNTS = ("lost_deal_count", "previous_lost_deal_count")
FIGURES = (
    *(f"{period}lost_share_{end}" for period in ("", "previous_") for end in ("lower", "upper")),
    *(f"share_change_{end}" for end in ("lower", "upper")),
    "p_value",
    "family_p_value",
    "q_value",
)
SAME = 1e-7  # relative difference below which two statistics are tied: the two sides of a difference are the same difference


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """`numerator / denominator`, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)


def wilson(hits: np.ndarray, count: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """Score interval of a proportion (Wilson 1927) at the normal `quantile`."""
    share, shrink = ratio(hits, count), ratio(count, count + quantile**2)
    centre = shrink * (share + ratio(quantile**2, 2 * count))
    half = shrink * quantile * np.sqrt(ratio(share * (1 - share), count) + ratio(quantile, 2 * count) ** 2)
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def change_p_value(count: np.ndarray, all_count: np.ndarray) -> np.ndarray:
    """Two-sided p of equal shares, by the pooled z test. `count`: 2 x reasons; `all_count`: 2 x 1 or 2 x reasons. NaN without variation."""
    from scipy.special import ndtr

    pooled = ratio(count.sum(0), all_count.sum(0))
    error = np.sqrt(pooled * (1 - pooled) * ratio(1, all_count).sum(0))
    shares = ratio(count, all_count)
    return 2 * ndtr(-np.abs(ratio(shares[0] - shares[1], error)))


def family_p_value(count: np.ndarray) -> float:
    """Pearson's chi-square test that both rows of `count` (2 x reasons) have the same shares; NaN with fewer than two reasons."""
    from scipy.special import chdtrc

    count = count[:, count.sum(0) > 0]
    if count.shape[1] < 2 or not count.sum(1).all():
        return np.nan
    expected = count.sum(1, keepdims=True) * count.sum(0) / count.sum()
    return float(chdtrc(count.shape[1] - 1, np.sum((count - expected) ** 2 / expected)))


def step_down(count: np.ndarray, all_count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p value of each reason (NaN where none can be had), and which are signals. `count`: 2 x reasons, `all_count`: 2."""
    active, is_signal = np.ones(count.shape[1], bool), np.zeros(count.shape[1], bool)
    adjusted, floor = np.full(count.shape[1], np.nan), 0.0
    while True:
        left = (all_count - count[:, ~active].sum(1))[:, None]
        p_value = np.where(active, change_p_value(count, left), np.nan)
        judged = np.isfinite(p_value)
        if not judged.any():
            return adjusted, is_signal
        corrected = np.minimum(1.0, np.maximum(floor, p_value * judged.sum()))
        top = judged & (p_value <= np.nanmin(p_value) * (1 + SAME))
        floor = float(corrected[top].max())
        if floor > level:
            adjusted[judged] = corrected[judged]
            return adjusted, is_signal
        adjusted[top], is_signal[top] = floor, True
        active &= ~top


def estimate(columns: dict[str, list], min_deals: float, confidence_level: float, fdr_level: float) -> dict[str, np.ndarray]:
    """FIGURES and `verdict` of every reason. `columns`: COUNTS, the newer period first."""
    from scipy.special import ndtri

    quantile = float(ndtri((1 + confidence_level) / 2))
    count = np.array([columns[name] for name in COUNTS], float)
    all_count = count.sum(1)
    found = {name: np.full(count.shape[1], np.nan) for name in FIGURES}
    shares = ratio(count, all_count[:, None])
    lower, upper = wilson(count, all_count[:, None], quantile)
    for row, period in enumerate(("", "previous_")):
        found[f"{period}lost_share_lower"], found[f"{period}lost_share_upper"] = lower[row], upper[row]
    # Newcombe 1998, method 10.
    change = shares[0] - shares[1]
    found["share_change_lower"] = change - np.hypot(shares[0] - lower[0], upper[1] - shares[1])
    found["share_change_upper"] = change + np.hypot(upper[0] - shares[0], shares[1] - lower[1])
    found["p_value"] = change_p_value(count, all_count[:, None])

    is_enough = (count.sum(0) >= min_deals) & (all_count.min() >= min_deals)
    found["verdict"] = np.where(is_enough, "not_computable", "insufficient_n").astype(object)
    judged = np.flatnonzero(is_enough)
    rest = (all_count - count[:, judged].sum(1))[:, None]
    found["family_p_value"][:] = family_p_value(np.hstack([count[:, judged], rest]))
    if np.isfinite(found["family_p_value"]).all() and len(judged):
        adjusted, is_signal = step_down(count[:, judged], all_count, fdr_level)
        is_signal &= found["family_p_value"][judged] <= fdr_level
        found["q_value"][judged] = np.maximum(adjusted, found["family_p_value"][judged])
        found["verdict"][judged] = np.where(is_signal, "signal", np.where(np.isfinite(adjusted), "no_signal", "not_computable"))
    return found


def model(dbt, session):
    import pyarrow as pa

    dbt.config(materialized="table")
    names = ["lost_reason", *COUNTS]
    rows = dbt.ref("int_lost_reason_counts").project(", ".join(names)).order("lost_reason").fetchall()
    columns = {name: [row[position] for row in rows] for position, name in enumerate(names)}
    found = estimate(
        columns,
        float(dbt.config.meta_get("min_segment_deals")),
        float(dbt.config.meta_get("confidence_level")),
        float(dbt.config.meta_get("fdr_level")),
    )
    table = {"lost_reason": pa.array(columns["lost_reason"], pa.string())}
    table |= {name: pa.array(found[name], pa.float64(), from_pandas=True) for name in FIGURES}
    table["verdict"] = pa.array(found["verdict"], pa.string())
    return pa.table(table)
