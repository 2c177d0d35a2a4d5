"""One row per action_id (all: any of them): what came of deals that were offered the action when they were first flagged, against deals held out.

Who is held out is drawn by a hash, so the two arms differ by the offer alone, whatever reps know and do. In each score band (the score
as it was known on the day of the flag) the arms are compared, and the differences averaged with the weights of Mantel and Haenszel, as a
regression with a constant per band does. What an arm varies by is pooled over its bands. Two differences come out: of the share won, and of
the share acted on. Their ratio is the effect per deal in which the offer made somebody act; its interval is Fieller's, all values for which
`difference - value x difference of acted` is within chance of 0. It has no ends where the shares acted on don't surely differ.

The same difference between offered deals acted on and not acted on is an association: reps choose. They choose more in some bands than in others, so
that what an arm varies by must be counted band by band: of a band's n deals it is (S + s) / n, with S their squared deviations from its share won and s
the variance pooled over the arm's bands, so that one deal, or a band that was always won, has no variance of 0. Degrees of freedom: Satterthwaite (1946).
`python -m tools simulate effects` says how often the intervals hold the truth.
"""

import numpy as np
from scipy.special import stdtr, stdtrit

from inference.intervals import Quotient, fieller, ratio
from inference.multiplicity import holm
from inference.tables import from_columns

CELLS = ("deal_count", "won_count", "acted_count", "acted_won_count")
FIGURES = (
    *(f"difference{end}" for end in ("", "_lower", "_upper")),
    "acted_difference",
    *(f"effect_per_acted_deal{end}" for end in ("", "_lower", "_upper")),
    *(f"association_difference{end}" for end in ("", "_lower", "_upper")),
    "p_value",
    "q_value",
)


def band_weights(count: np.ndarray) -> np.ndarray:
    """Mantel's and Haenszel's weights of strata, summing to 1. `count`: comparisons x strata x 2 arms."""
    weight = np.nan_to_num(ratio(count.prod(-1), count.sum(-1)))
    return ratio(weight, weight.sum(-1, keepdims=True))


def compare(cells: np.ndarray) -> dict[str, np.ndarray]:
    """Stratified differences, first arm less second, of many comparisons at once.

    `cells`: comparisons x strata x 2 arms x 4 (CELLS). Returns arrays of one element a comparison: `won` and `acted`, the differences; their
    variances and covariance `won_won`, `acted_acted`, `won_acted`; `degrees` of freedom of `won` (Welch and Satterthwaite); `varies`, whether wins
    vary in both arms. NaN without a stratum that has both arms.
    """
    both = (cells[..., 0] > 0).all(-1)
    count, won, acted, acted_won = np.moveaxis(np.where(both[..., None, None], cells, 0.0), -1, 0)
    weight = band_weights(count)

    def difference(hits: np.ndarray) -> np.ndarray:
        share = np.nan_to_num(ratio(hits, count))
        return (weight * (share[..., 0] - share[..., 1])).sum(-1)

    def moments(product: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Covariance within the strata of each arm: comparisons x 2."""
        within = (product - np.nan_to_num(ratio(one * other, count))).sum(1)
        return ratio(within, count.sum(1) - both.sum(1)[:, None])

    spread = (np.square(weight)[..., None] * np.nan_to_num(ratio(1, count))).sum(1)
    wins = moments(won, won, won)
    parts = wins * spread
    degrees = ratio(np.square(parts.sum(-1)), (ratio(np.square(parts), count.sum(1) - both.sum(1)[:, None])).sum(-1))
    return {
        "won": difference(won),
        "acted": difference(acted),
        "won_won": parts.sum(-1),
        "acted_acted": (moments(acted, acted, acted) * spread).sum(-1),
        "won_acted": (moments(acted_won, won, acted) * spread).sum(-1),
        "degrees": degrees,
        "varies": (wins > 0).all(-1),
    }


def estimate(cells: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """Differences, the effect per acted deal, p values and limits, of many comparisons. `cells` as in `compare`, offered first."""
    found = compare(cells)
    usable = np.isfinite(found["won_won"]) & (found["won_won"] > 0) & np.isfinite(found["degrees"])
    quantile = np.where(usable, stdtrit(np.where(usable, found["degrees"], 1), (1 + level) / 2), np.nan)
    error = np.sqrt(np.where(usable, found["won_won"], np.nan))
    moments = (found[name] for name in ("won", "acted", "won_won", "acted_acted", "won_acted"))
    lower, upper = fieller(Quotient(*moments), quantile)
    return {
        "difference": found["won"],
        "difference_lower": found["won"] - quantile * error,
        "difference_upper": found["won"] + quantile * error,
        "acted_difference": found["acted"],
        "effect_per_acted_deal": np.where(np.isfinite(lower), ratio(found["won"], found["acted"]), np.nan),
        "effect_per_acted_deal_lower": lower,
        "effect_per_acted_deal_upper": upper,
        "p_value": 2 * stdtr(found["degrees"], -np.abs(found["won"] / error)),
        "varies": found["varies"],
    }


def associate(cells: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """Of offered deals, those acted on less those not acted on, over the strata that have both, and how many deals these are. `cells` as in `compare`.

    No limits where all or none of an arm's deals were won.
    """
    offered = cells[:, :, 0]
    arms = np.stack([offered[..., 2:], offered[..., :2] - offered[..., 2:]], axis=2)
    both = (arms[..., 0] > 0).all(-1)
    count, won = np.moveaxis(np.where(both[..., None, None], arms, 0.0), -1, 0)
    weight, share = band_weights(count)[..., None], np.nan_to_num(ratio(won, count))
    squares, freedom = won * (1 - share), count.sum(1, keepdims=True) - both.sum(1)[:, None, None]
    pooled = ratio(squares.sum(1, keepdims=True), freedom)
    scale = np.square(np.nan_to_num(ratio(weight, count)))
    # What each square counts in the variance of the difference: in its own band, and in the part that every band has of the pooled ones.
    factor = scale + ratio(scale.sum(1, keepdims=True), freedom)
    variance = (factor * squares).sum((1, 2))
    spread = (np.square(factor * np.nan_to_num(ratio(squares + pooled, count))) * np.maximum(count - 1, 0)).sum((1, 2))
    usable = (pooled > 0).all((1, 2))
    degrees = np.where(usable, ratio(np.square(variance), spread), 1)
    reach = np.where(usable, stdtrit(degrees, (1 + level) / 2) * np.sqrt(variance), np.nan)
    difference = (weight[..., 0] * (share[..., 0] - share[..., 1])).sum(1)
    return {
        "association_deal_count": count.sum((1, 2)),
        "association_difference": difference,
        "association_difference_lower": difference - reach,
        "association_difference_upper": difference + reach,
    }


def judge(actions: list[str], cells: np.ndarray, unflagged_share: float, settings: dict[str, float]) -> dict[str, np.ndarray]:
    """FIGURES, `verdict` and `missing_reason` of each action; `all` is judged by itself, the others together."""
    found = estimate(cells, settings["confidence_level"]) | associate(cells, settings["confidence_level"])
    least = cells[..., 0].sum(1).min(-1)
    reason = np.full(len(actions), None, object)
    reason[~found["varies"]] = "all or none of an arm's deals were won"
    if unflagged_share > settings["max_unflagged_share"]:
        reason[:] = (
            f"{100 * unflagged_share:.1f} % of the deals acted on had not been flagged by then, so that offers may have decided who is compared"
        )
    short = least < settings["min_segment_deals"]
    reason[short] = "too few deals in an arm"
    judged = np.array([each is None for each in reason])
    single = np.array([action == "all" for action in actions])
    p_value = np.where(judged, found["p_value"], np.nan)
    found["q_value"] = np.where(single, p_value, holm(np.where(single, np.nan, p_value)))
    signal = np.where(found["q_value"] <= settings["fdr_level"], "signal", "no_signal")
    found["verdict"] = np.where(judged, signal, np.where(short, "insufficient_n", "not_computable")).astype(object)
    found["missing_reason"] = reason
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    deals = dbt.ref("int_flagged_deals")
    sums = ", ".join(f"count(case when {condition} then 1 end)" for condition in ("true", "is_won", "is_acted", "is_acted and is_won"))
    rows = deals.filter("flagged_date is not null").aggregate(f"action_id, score_band, is_holdout, {sums}").fetchall()
    flags = "count(case when is_acted_unflagged then 1 end), count(case when is_acted or is_acted_unflagged then 1 end)"
    [(early, acted)] = deals.filter("action_id = 'all'").aggregate(flags).fetchall()
    actions, bands = (sorted({row[position] for row in rows}) for position in (0, 1))
    cells = np.zeros((len(actions), len(bands), 2, len(CELLS)))
    for action, band, is_holdout, *cell in rows:
        cells[actions.index(action), bands.index(band), int(is_holdout)] = cell
    found = judge(actions, cells, early / acted if acted else 0.0, dbt.config.meta_get("settings"))
    names = [f"{arm}_{count}" for arm in ("offered", "holdout") for count in ("deal_count", "won_deal_count", "acted_deal_count")]
    counts = dict(zip(names, cells[..., :3].sum(1).reshape(-1, len(names)).T, strict=True))
    counts["acted_unflagged_deal_count"] = [early] * len(actions)
    types = {str: ("action_id", "verdict", "missing_reason"), int: (*counts, "association_deal_count"), float: FIGURES}
    return from_columns({"action_id": actions} | found | counts, types)
