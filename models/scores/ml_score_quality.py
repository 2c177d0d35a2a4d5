"""One row per fold, and one with fold `all`: how well the fits of past dates scored deals created after them, and whether the gate opens.

Every figure gives a deal the weight 1, shared by its observations. AUC is the chance that an observation of a won deal is scored above
one of a lost deal, ties counting half; its variance comes from the deals' influence, summed over their observations, so with one
observation a deal it is DeLong's (DeLong et al. 1988). Brier scores are means over deals, and t is the mean of a deal's improvement over
the base rate / its standard error. Calibration is a logistic regression of the outcome on the predicted log odds (slope), and of the
outcome with the predicted log odds as they are (intercept, 0 where as many are won as predicted), with standard errors clustered by deal.
`all` averages AUC by deals and takes everything else over all test deals. Scores equal to 9 decimals are ties. Shares of deals are cut at 1,
which sums of their observations' weights may pass in the last digit.

The gate opens if the lower one-sided `gate_confidence_level` bound of the AUC is above 0.5 and the improvement's t above `gate_t_value`.
`gate_p_value` is the larger of both p values: both must hold, so it needs no adjustment.

Simulated (`python -m tools simulate scores`): the gate opens in 7 of 2,125 CRMs of noise, and at a true AUC of 0.60 over 5,000 deals in 58
of 60 when it comes from four dimensions, in 60 of 60 when from one segment. 3,000 deals of the demo's kind: it opens in 200 of 200, and the
mean calibration slope on later deals is 1.002, or 0.863 when a bad quarter lies in the test.
"""

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from inference.intervals import normal_quantile
from inference.logistic import calibration, sigmoid
from inference.tables import from_rows

Array = np.ndarray
FIGURES = (
    "auc", "auc_standard_error", "auc_lower", "auc_upper", "auc_gate_lower", "brier", "brier_table", "brier_base", "brier_t_value",
    "calibration_slope", "calibration_slope_lower", "calibration_slope_upper",
    "calibration_intercept", "calibration_intercept_lower", "calibration_intercept_upper", "precision_at_k", "gate_p_value",
)  # fmt: skip
COUNTS = ("deal_count", "observation_count", "won_deal_count")
TIE_DECIMALS = 9


def auc(score: Array, won: Array, weight: Array, deal: Array) -> tuple[float, float]:
    """AUC and its standard error; NaN without two won and two lost deals. `won` by row, `deal` an index from 0."""
    deals = int(deal.max()) + 1 if len(deal) else 0
    won_deal = np.zeros(deals, bool)
    won_deal[deal] = won.astype(bool)
    wins, losses = int(won_deal.sum()), int((~won_deal).sum())
    if min(wins, losses) < 2:
        return np.nan, np.nan
    _, place = np.unique(np.round(score, TIE_DECIMALS), return_inverse=True)
    won_here, lost_here = (np.bincount(place, weight * side, place.max() + 1) for side in (won, 1 - won))
    lost_below = (np.cumsum(lost_here) - lost_here / 2)[place] / losses
    won_above = (wins - np.cumsum(won_here) + won_here / 2)[place] / wins
    influence = np.bincount(deal, weight * np.where(won == 1, lost_below, won_above), deals)
    variance = influence[won_deal].var(ddof=1) / wins + influence[~won_deal].var(ddof=1) / losses
    return float(np.minimum(influence[won_deal].mean(), 1)), float(np.sqrt(variance))


def t_value(values: Array) -> float:
    """Mean / standard error; infinite where all values are the same and not 0, 0 where all are 0."""
    if len(values) < 2:
        return np.nan
    error = values.std(ddof=1) / np.sqrt(len(values))
    mean = values.mean()
    return float(mean / error) if error > 0 else float(np.sign(mean) * np.inf) if mean else 0.0


def precision_at(score: Array, positive: Array, weight: Array, share: float) -> float:
    """Share of positives among the `share` of the weight with the highest scores; scores tied at the border take part evenly."""
    _, place = np.unique(-np.round(score, TIE_DECIMALS), return_inverse=True)
    total, hits = np.bincount(place, weight), np.bincount(place, weight * positive)
    taken = np.clip(share * total.sum() - (np.cumsum(total) - total), 0, total)
    return float(np.minimum(taken @ (hits / total) / taken.sum(), 1))


def quality(rows: dict[str, Array], settings: dict) -> dict[str, float]:
    """FIGURES and COUNTS of test rows: fold, deal (index from 0), won, weight, and log odds of model, table and base."""
    deal, won, weight = rows["deal"], rows["won"], rows["weight"]
    found: dict[str, float] = dict.fromkeys(FIGURES, np.nan)
    deals = int(deal.max()) + 1 if len(deal) else 0
    outcome = np.zeros(deals)
    outcome[deal] = won
    found |= {"deal_count": deals, "observation_count": len(deal), "won_deal_count": int(outcome.sum())}
    if not deals:
        return found

    errors = {m: np.bincount(deal, weight * (sigmoid(rows[m]) - won) ** 2, deals) for m in ("model", "table", "base")}
    found |= {
        name: float(np.minimum(errors[m].mean(), 1)) for name, m in (("brier", "model"), ("brier_table", "table"), ("brier_base", "base"))
    }
    found["brier_t_value"] = t_value(errors["base"] - errors["model"])

    parts = []
    for fold in np.unique(rows["fold"]):
        inside = rows["fold"] == fold
        _, index = np.unique(deal[inside], return_inverse=True)
        parts.append((len(np.unique(index)), *auc(rows["model"][inside], won[inside], weight[inside], index)))
    size, area, error = (
        np.array(column) for column in zip(*[part for part in parts if np.isfinite(part[1])] or [(np.nan,) * 3], strict=True)
    )
    found["auc"] = float(size @ area / size.sum())
    found["auc_standard_error"] = float(np.sqrt((size**2) @ (error**2)) / size.sum())
    quantile = normal_quantile(settings["confidence_level"])
    for name, z in (("auc_lower", -quantile), ("auc_upper", quantile), ("auc_gate_lower", -ndtri(settings["gate_confidence_level"]))):
        found[name] = float(np.clip(found["auc"] + z * found["auc_standard_error"], 0, 1))

    model = rows["model"]
    both, one, no_offset = np.column_stack([model, np.ones(len(won))]), np.ones((len(won), 1)), np.zeros(len(won))
    for name, fitted in (
        ("calibration_slope", calibration(no_offset, both, won, weight, deal)),
        ("calibration_intercept", calibration(model, one, won, weight, deal)),
    ):
        found |= {name: fitted[0], f"{name}_lower": fitted[0] - quantile * fitted[1], f"{name}_upper": fitted[0] + quantile * fitted[1]}
    found["precision_at_k"] = precision_at(-model, 1 - won, weight, settings["precision_share"])
    if found["auc_standard_error"] > 0 and deals > 1:
        chance_of_auc = ndtr((0.5 - found["auc"]) / found["auc_standard_error"])
        found["gate_p_value"] = float(max(chance_of_auc, 1 - stdtr(deals - 1, found["brier_t_value"])))
    return found


def gate(found: dict[str, float], settings: dict) -> str:
    """`model`, `table`, `gated` or, without test deals, `cold_start`."""
    if not np.isfinite(found["auc"]):
        return "cold_start"
    if found["auc_gate_lower"] > 0.5 and found["brier_t_value"] > settings["gate_t_value"]:
        return "table" if found["brier_table"] < found["brier"] else "model"
    return "gated"


def judge(rows: dict[str, Array], settings: dict) -> dict[str, dict]:
    """Quality and score_status by fold and of `all`, which has the status that open deals get."""
    found = {}
    for fold in np.unique(rows["fold"]):
        inside = {name: column[rows["fold"] == fold] for name, column in rows.items()}
        inside["deal"] = np.unique(inside["deal"], return_inverse=True)[1]
        found[str(fold)] = quality(inside, settings)
    found["all"] = quality(rows, settings)
    for each in found.values():
        each["score_status"] = gate(each, settings)
        each["is_automation_ready"] = each["score_status"] in ("model", "table") and each["auc"] >= settings["automation_auc"]
    return found


def model(dbt, session):
    settings = dbt.config.meta_get("settings")
    order = "deal_id, observation_date"
    pivot = ", ".join(f"max(log_odds) filter (method = '{method}') as {method}" for method in ("model", "table", "base"))
    table = (
        dbt.ref("int_score_predictions")
        .filter("purpose = 'training'")
        .aggregate(f"{order}, fit, is_won, deal_weight, {pivot}", f"{order}, fit, is_won, deal_weight")
        .order(order)
        .to_arrow_table()
    )
    rows = {name: table[name].to_numpy() for name in ("model", "table", "base")}
    rows |= {
        "fold": table["fit"].to_numpy().astype(str),
        "won": table["is_won"].to_numpy().astype(float),
        "weight": table["deal_weight"].to_numpy(),
    }
    rows["deal"] = np.unique(table["deal_id"].to_numpy().astype(str), return_inverse=True)[1]
    found = judge(rows, settings)
    types = {str: ("fold", "score_status"), int: COUNTS, float: FIGURES, bool: ("is_automation_ready",)}
    return from_rows([{"fold": fold} | each for fold, each in found.items()], types)
