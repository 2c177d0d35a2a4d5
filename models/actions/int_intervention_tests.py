"""One row per action_id (all: any of them): what came of deals that were offered the action when they were first flagged, against deals held out.

Who is held out is drawn by a hash, so the two arms differ by the offer alone, whatever reps know and do. In each score band (the score
as it was known on the day of the flag) the arms are compared, and the differences averaged by the band's deals. A band in which an arm has no deal is left
out, and its deals are counted. An arm's share in a band varies by q (1 - q) / n with q = (won + 1) / (n + 2), so that a band that was always won has
no variance of 0.

The comparison is read after every build, and whoever stops at the first signal is wrong far more often than one interval says. So the interval is an
asymptotic confidence sequence: the chance that it ever misses the effect, at any build, is 1 - `confidence_level`. The actions by themselves share it
equally, all of them in the playbook, taken or not: that number doesn't grow with what is found. `tightest_deals` says after how many deals the
interval is narrowest; it is fixed beforehand and must not follow the data. p value, verdict and interval are one test.

The effect per deal in which the offer made somebody act is the difference, and its limits, over the same difference of the shares acted on, where that is
more than `least_acted_errors` of its standard errors: then its own chance hardly matters.

The same difference between offered deals acted on and not acted on is an association: reps choose. They choose more in some bands than in others, so
that what an arm varies by must be counted band by band: of a band's n deals it is (S + s) / n, with S their squared deviations from its share won and s
the variance pooled over the arm's bands, so that one deal, or a band that was always won, has no variance of 0. Degrees of freedom: Satterthwaite (1946).
`python -m tools simulate effects` says how often all this holds the truth.
"""

import numpy as np
from scipy.special import stdtrit

from inference.intervals import ratio
from inference.sequences import cases_until, sequence_p_value, sequence_quantile
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
COUNTS = ("compared_deal_count", "left_out_deal_count", "further_deal_count", "association_deal_count")


def compare(cells: np.ndarray) -> dict[str, np.ndarray]:
    """Differences, first arm less second, averaged over strata by their deals, of many comparisons at once.

    `cells`: comparisons x strata x 2 arms x 4 (CELLS). Returns arrays of one element a comparison: the differences `won` and `acted`, their standard
    errors `won_error` and `acted_error`, the deals that are compared (`count`), those left out (`left_out`), and those of the smaller arm (`least`).
    NaN without a stratum that has both arms.
    """
    both = (cells[..., 0] > 0).all(-1)
    count, won, acted, _ = np.moveaxis(np.where(both[..., None, None], cells, 0.0), -1, 0)
    weight = ratio(count.sum(-1), count.sum((-1, -2))[:, None])

    def difference(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share, smoothed = np.nan_to_num(ratio(hits, count)), (hits + 1) / (count + 2)
        variance = np.nan_to_num(ratio(smoothed * (1 - smoothed), count)).sum(-1)
        return (weight * (share[..., 0] - share[..., 1])).sum(-1), np.sqrt((np.square(weight) * variance).sum(-1))

    found = dict(zip(("won", "won_error", "acted", "acted_error"), (*difference(won), *difference(acted)), strict=True))
    whole = count.sum((-1, -2))
    return found | {"count": whole, "left_out": cells[..., 0].sum((-1, -2)) - whole, "least": count.sum(1).min(-1)}


def estimate(cells: np.ndarray, levels: np.ndarray, settings: dict[str, float]) -> dict[str, np.ndarray]:
    """Differences, effects per acted deal, p values and limits, of many comparisons, each at its own of `levels`. `cells` as in `compare`."""
    found = compare(cells)
    tightest = settings["tightest_deals"]
    quantile = sequence_quantile(found["count"], levels, tightest)
    p_value = sequence_p_value(ratio(found["won"], found["won_error"]), found["count"], levels, tightest)
    lower, upper = (found["won"] + sign * quantile * found["won_error"] for sign in (-1, 1))
    acted = np.where(found["acted"] > settings["least_acted_errors"] * found["acted_error"], found["acted"], np.nan)
    return {
        "difference": found["won"],
        "error": found["won_error"],
        "difference_lower": lower,
        "difference_upper": upper,
        "acted_difference": found["acted"],
        "effect_per_acted_deal": found["won"] / acted,
        "effect_per_acted_deal_lower": lower / acted,
        "effect_per_acted_deal_upper": upper / acted,
        "p_value": p_value,
        "compared_deal_count": found["count"],
        "left_out_deal_count": found["left_out"],
        "least": found["least"],
    }


def associate(cells: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """Of offered deals, those acted on less those not acted on, over the strata that have both, with the weights of
    Mantel and Haenszel, and how many deals these are. `cells` as in `compare`.

    No limits where all or none of an arm's deals were won.
    """
    offered = cells[:, :, 0]
    arms = np.stack([offered[..., 2:], offered[..., :2] - offered[..., 2:]], axis=2)
    both = (arms[..., 0] > 0).all(-1)
    count, won = np.moveaxis(np.where(both[..., None, None], arms, 0.0), -1, 0)
    weight = np.nan_to_num(ratio(count.prod(-1), count.sum(-1)))
    weight = ratio(weight, weight.sum(-1, keepdims=True))[..., None]
    share = np.nan_to_num(ratio(won, count))
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


# What no interval may be read without.
SHOWN = tuple(
    name for name in FIGURES if name.startswith("effect") or name in ("difference_lower", "difference_upper", "p_value", "q_value")
)


def judge(
    actions: list[str], cells: np.ndarray, playbook_count: int, unflagged_share: float, settings: dict[str, float]
) -> dict[str, np.ndarray]:
    """FIGURES, COUNTS, `verdict` and `missing_reason` of each action; `all` is judged by itself, the `playbook_count` actions together."""
    whole = 1 - settings["confidence_level"]
    times = np.array([1 if action == "all" else max(playbook_count, 1) for action in actions])
    found = estimate(cells, whole / times, settings) | associate(cells, settings["confidence_level"])
    reason = np.full(len(actions), None, object)
    if unflagged_share > settings["max_unflagged_share"]:
        reason[:] = (
            f"{100 * unflagged_share:.1f} % of the deals acted on had not been flagged by then, so that offers may have decided who is compared"
        )
    short = found["least"] < settings["min_arm_deals"]
    reason[short] = "too few deals in an arm"
    judged = np.array([each is None for each in reason])
    found["further_deal_count"] = [
        max(0, cases_until(settings["aimed_reach"], error, count, whole / each, settings["tightest_deals"]) - count) if count else np.nan
        for error, count, each in zip(found["error"], found["compared_deal_count"], times, strict=True)
    ]
    found["q_value"] = np.minimum(1, times * found["p_value"])
    for name in SHOWN:
        found[name] = np.where(judged, found[name], np.nan)
    # By the limits, so that no rounding sets verdict and interval apart.
    signal = np.where((found["difference_lower"] > 0) | (found["difference_upper"] < 0), "signal", "no_signal")
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
    [(playbook_count,)] = dbt.ref("int_playbook").filter("trigger_kind = 'fact'").aggregate("count(distinct action_id)").fetchall()
    actions, bands = (sorted({row[position] for row in rows}) for position in (0, 1))
    cells = np.zeros((len(actions), len(bands), 2, len(CELLS)))
    for action, band, is_holdout, *cell in rows:
        cells[actions.index(action), bands.index(band), int(is_holdout)] = cell
    found = judge(actions, cells, playbook_count, early / acted if acted else 0.0, dbt.config.meta_get("settings"))
    names = [f"{arm}_{count}" for arm in ("offered", "holdout") for count in ("deal_count", "won_deal_count", "acted_deal_count")]
    counts = dict(zip(names, cells[..., :3].sum(1).reshape(-1, len(names)).T, strict=True))
    counts["acted_unflagged_deal_count"] = [early] * len(actions)
    types = {str: ("action_id", "verdict", "missing_reason"), int: (*counts, *COUNTS), float: FIGURES}
    return from_columns({"action_id": actions} | found | counts, types)
