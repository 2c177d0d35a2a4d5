"""One row is one factor of the scores, or the score itself: do the deals that are open now still look like the pipelines before them?

The reference are the deals that were open on the newest `dates` forecast dates (month ends): pipelines, as the one of today is. Training
observations would not do, because they hold a deal on every day it was open and only deals that have closed. PSI is the population
stability index, the sum of (share now - share then) x ln(share now / share then) over a factor's values.

Without drift PSI is about the sum of D^2 / share, D being the difference of two shares that deals vary by chance: a deal adds to the
pipeline of now, to several past ones, or to both, so the covariance of D is summed over deals. The sum is then spread as a weighted sum
of chi-squares, taken as the one chi-square that has its mean and variance (Satterthwaite; Rao and Scott 1984). With each deal in one row
it is the known chi-square of (1 / n + 1 / m) x (values - 1). Values expected in fewer than `MIN_EXPECTED` deals are taken together.

The score is that of the shown final fit for past pipelines too, in bins of equal size, so that it moves with deals and not with fits.
Deals are the sample by hash of int_score_deals. Benjamini-Hochberg over the factors and the score gives q values.

Simulated, 3,000 deals of the demo's kind and 12 month ends: without drift p is below 0.05 in 4.3 % of 200 CRMs x 15 factors (in 7.5 % of the
worst one), and 6.5 % of CRMs have a signal. A lead source that takes 15 (30) % of the others' deals of the last 120 days is found in 26 (93) %
(tools/simulations/drift.py).
"""

import datetime

import numpy as np
from scipy.special import chdtrc, chdtri

from inference.dimensions import with_own
from inference.logistic import sigmoid
from inference.multiplicity import benjamini_hochberg
from inference.tables import from_rows

Array = np.ndarray
MIN_EXPECTED = 5
OTHER, SCORE = "other", "score"
FIGURES = ("psi", "no_drift_psi", "no_drift_psi_upper", "p_value", "q_value", "open_share", "reference_share")
COUNTS = ("open_deal_count", "reference_deal_count", "reference_observation_count", "level_count")


def pooled(share: Array, size: int) -> Array:
    """By level, the bin it is in: of its own, or, expected in fewer than MIN_EXPECTED of `size` deals, the last one of all such levels."""
    keeps = share * size >= MIN_EXPECTED
    bins = np.where(keeps, np.cumsum(keeps) - 1, keeps.sum())
    if not keeps.all() and share[~keeps].sum() * size < MIN_EXPECTED and keeps.any():
        least = int(np.argmin(np.where(keeps, share, np.inf)))
        bins[~keeps] = bins[least]
    return bins


def stability(now: Array, then: Array) -> float:
    """PSI of two vectors of counts; an empty cell counts as half a deal."""
    first, second = np.maximum(now, 0.5) / now.sum(), np.maximum(then, 0.5) / then.sum()
    return float((first - second) @ np.log(first / second))


def no_drift(
    deal: Array, is_now: Array, bins: Array, weights: tuple[Array, Array], confidence_level: float, psi: float
) -> dict[str, float]:
    """Mean and upper quantile of PSI without drift, and p of `psi`. Rows: index of the deal, is it of now, its bin."""
    now, then = weights
    deals, reference_deals = int(deal.max()) + 1, len(np.unique(deal[~is_now]))
    share = (now + then * reference_deals / then.sum()) / (now.sum() + reference_deals)
    row = np.where(is_now, 1 / now.sum(), -1 / then.sum())
    influence = -np.bincount(deal, row, deals)[:, None] * share
    influence += np.bincount(deal * len(share) + bins, row, deals * len(share)).reshape(deals, len(share))
    # D^2 / share is a square of D / root of share.
    spread = influence / np.sqrt(share)
    covariance = spread.T @ spread
    mean, square = np.trace(covariance), (covariance**2).sum()
    scale, freedom = square / mean, mean**2 / square
    return {
        "no_drift_psi": float(mean),
        "no_drift_psi_upper": float(scale * chdtri(freedom, 1 - confidence_level)),
        "p_value": float(chdtrc(freedom, max(psi, 0.0) / scale)),
    }


def drift(deal: Array, is_now: Array, codes: Array, levels: list[str], settings: dict) -> dict:
    """COUNTS, FIGURES (without q) and verdict of one factor. `codes`: (n,) index of the level of each row."""
    found: dict = dict.fromkeys(FIGURES, np.nan) | {"level": None, "verdict": "insufficient_n"}
    reference_deals = len(np.unique(deal[~is_now]))
    found |= {
        "open_deal_count": int(is_now.sum()),
        "reference_deal_count": reference_deals,
        "reference_observation_count": int((~is_now).sum()),
    }
    now, then = np.bincount(codes[is_now], minlength=len(levels)), np.bincount(codes[~is_now], minlength=len(levels))
    found["level_count"] = int(((now + then) > 0).sum())
    size = min(found["open_deal_count"], reference_deals)
    if size < settings["min_deals"]:
        return found
    bins = pooled((now / now.sum() + then / then.sum()) / 2, size)
    count = int(bins.max()) + 1
    if count < 2:
        return found | {"verdict": "not_computable"}
    now, then = np.bincount(bins, now, count), np.bincount(bins, then, count)
    found["psi"] = stability(now, then)
    found |= no_drift(deal, is_now, bins[codes], (now, then), settings["confidence_level"], found["psi"])
    change = now / now.sum() - then / then.sum()
    most = int(np.argmax(np.round(np.abs(change), 9)))
    names = [level for level, of in zip(levels, bins, strict=True) if of == most]
    found |= {
        "level": names[0] if len(names) == 1 else OTHER,
        "open_share": now[most] / now.sum(),
        "reference_share": then[most] / then.sum(),
    }
    return found | {"verdict": "no_signal"}


def judge(found: dict[str, dict], fdr_level: float) -> None:
    """Fill q values and verdicts."""
    tested = [each for each in found.values() if each["verdict"] == "no_signal"]
    q_values = benjamini_hochberg([each["p_value"] for each in tested])
    for each, q_value in zip(tested, q_values, strict=True):
        each |= {"q_value": q_value, "verdict": "signal" if q_value <= fdr_level else "no_signal"}


def score_bins(values: dict[str, tuple[Array, list[str]]], terms: list[tuple], count: int) -> tuple[Array, list[str]]:
    """Each row's bin of the probability by `terms` (factor, level, contribution), of `count` equally full ones, and their names."""
    total = np.full(len(next(iter(values.values()))[0]), next(value for factor, _, value in terms if factor is None))
    for factor in dict.fromkeys(factor for factor, *_ in terms if factor is not None):
        contribution = {level: value for name, level, value in terms if name == factor}
        parts = [values[part] for part in factor.split(" x ")]
        code = np.ravel_multi_index([codes for codes, _ in parts], [len(levels) for _, levels in parts])
        seen, inverse = np.unique(code, return_inverse=True)
        places = zip(*np.unravel_index(seen, [len(levels) for _, levels in parts]), strict=True)
        names = [" | ".join(levels[at] for (_, levels), at in zip(parts, place, strict=True)) for place in places]
        total += np.array([contribution.get(name, 0.0) for name in names])[inverse]
    total = np.round(total, 9)
    edges = np.unique(np.quantile(total, np.arange(1, count) / count))
    shown = [f"{100 * sigmoid(edge):.1f}" for edge in edges]
    return np.searchsorted(edges, total), [f"{low} to {high} %" for low, high in zip(["0.0", *shown], [*shown, "100.0"], strict=True)]


def model(dbt, session):
    settings = dbt.config.meta_get("settings")
    factors = with_own([each["factor"] for each in settings["factors"]], settings["own_dimensions"], ["creation", "changes"])
    sampled = dbt.ref("int_score_deals").filter("is_sampled").project("deal_id as sampled_deal_id")
    observations = dbt.ref("int_score_observations").filter("purpose in ('score', 'backtest')")
    dates = observations.filter("purpose = 'backtest'").aggregate("observation_date").order("observation_date desc")
    dates = [date for (date,) in dates.limit(settings["dates"]).fetchall()]
    oldest = f"date '{min(dates)}'" if dates else "observation_date"
    table = (
        observations.filter(f"purpose = 'score' or observation_date >= {oldest}")
        .join(sampled, "deal_id = sampled_deal_id")
        .order("deal_id, observation_date, purpose")
        .project(f"deal_id, purpose = 'score' as is_now, {', '.join(factors)}")
        .to_arrow_table()
    )
    deal = table["deal_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.intp)
    is_now = table["is_now"].to_numpy().astype(bool)
    values = {}
    for factor in factors:
        column = table[factor].combine_chunks().dictionary_encode()
        values[factor] = column.indices.to_numpy().astype(np.intp), column.dictionary.to_pylist()
    methods = dbt.ref("ml_score_quality").filter("fold = 'all' and score_status in ('model', 'table')").project("score_status as shown")
    terms = dbt.ref("ml_score_fits").filter("fit = 'final'").join(methods, "method = shown")
    terms = terms.project("factor, level, contribution").order("factor, level").fetchall()
    score = score_bins(values, terms, settings["bins"]) if terms else (np.zeros(len(deal), np.intp), [OTHER])
    found = {factor: drift(deal, is_now, *values[factor], settings) for factor in factors}
    found[SCORE] = drift(deal, is_now, *score, settings)
    judge(found, settings["fdr_level"])
    reference = {"reference_from_date": min(dates, default=None), "reference_until_date": max(dates, default=None)}
    rows = [{"factor": factor} | each | reference for factor, each in found.items()]
    return from_rows(rows, {str: ("factor", "level", "verdict"), int: COUNTS, float: FIGURES, datetime.date: tuple(reference)})
