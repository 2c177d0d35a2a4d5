"""One row per sales rep: is the rep's win rate different from what the deals lead one to expect, or is it chance? And was more said of the
rep's pipelines than was won?

Expected wins come from a logistic regression of won on the factors of the closed deals (segments, size, when they were created), fitted
without the reps; deals of young cohorts, of which only the quick ones have closed, are compared within their month. The rep's residual r = won -
expected has variance V = W - S I^-1 S', the fit's own uncertainty taken off (W: sum of p (1 - p) over the deals; I: Fisher information; S:
the rep's share in it). z = r / sqrt(V D) is the score test of an effect of the rep; without factors it is the pooled z test against all others.

D is the dispersion of the reps (Spiegelhalter 2005): where reps differ by more than chance as a rule, that spread is usual, and only what
lies beyond it stands out. It is the variance of the z of all reps but the one that is judged, in a fit without this one, the outer tenths
drawn in on both sides, over 0.68 (its mean when all is chance). A value below 1 + 5 / sqrt(reps), which chance exceeds in 1 of 100 inputs, counts as 1, and so does that of fewer than 10 reps.

The verdict is that of segments, with one family: a homogeneity test of the reps, then stepping down. The largest |z| is a signal if its p x
remaining reps is at most `fdr_level`; then its deals leave the fit, because they would make the other reps look different, and all
is computed anew. The funnel's limits are those of the fit of all deals, at the dispersion of the reps that are no signals.

The bias of a forecast is sum of amounts said / sum of amounts won - 1. A deal stands at several dates, so deals are the sample: p is that of the
paired t test of said against won, with (won deals - 1) degrees of freedom because few large wins make the sum, and the interval is
Fieller's, its inversion. Benjamini-Hochberg over the reps. (Simulated with skewed amounts, 40 to 300 deals a rep: the interval holds the truth
in 95 to 97 %.)

Simulated, 200 CRMs each (`python -m tools simulate reps`): of twenty reps two planted ones, 20 points below and above, are found in 94 and 92 %
with 138 closed deals a rep, in all with 229 and 458; any other rep is flagged in 2.5 to 7.5 % of CRMs, and anyone in 0.5 to 2 % with nothing
planted. Where all reps differ, by a standard deviation of 2, 4 and 8 points (138 deals a rep), an end of that spread is flagged in 4, 23 and 18 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, stdtr, stdtrit

from inference.intervals import Proportion, Quotient, fieller, normal_quantile, ratio, wilson
from inference.logistic import one_hot, predict_rates
from inference.multiplicity import benjamini_hochberg, largest, step_down
from inference.significance import two_sided
from inference.tables import from_rows, read_rows

RARE = "(rare)"
TAIL, WINSORISED_VARIANCE, LEAST_EXCESS, LEAST_REPS = 0.1, 0.68, 5.0, 10
COUNTS = ("closed_deal_count", "won_deal_count", "judged_rep_count")
WIN_RATE = (
    "win_rate_lower", "win_rate_upper", "expected_won_deal_count", "overall_win_rate", "risk_adjusted_win_rate", "risk_adjusted_lower",
    "risk_adjusted_upper", "funnel_inner_lower", "funnel_inner_upper", "funnel_outer_lower", "funnel_outer_upper", "dispersion", "z_score",
    "p_value", "adjusted_p_value", "family_p_value",
)  # fmt: skip
BIAS = ("forecast_bias_rate", "forecast_bias_lower", "forecast_bias_upper", "forecast_bias_p_value", "forecast_bias_q_value")
ON_TIME = ("on_time_rate_lower", "on_time_rate_upper")
FIGURES = (*WIN_RATE, *BIAS, *ON_TIME)
TEXTS = ("verdict", "missing_reason", "forecast_bias_verdict")
SUMS = (
    "forecast_date_count", "forecast_deal_count", "forecast_won_deal_count", "forecast_amount", "realised_amount",
    "squared_forecast_amount", "squared_realised_amount", "crossed_amount",
)  # fmt: skip
Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    min_deals: float
    min_expected_deals: float  # won, and lost, that a judged rep must be expected to have
    min_level_deals: float
    min_forecast_dates: float
    fdr_level: float
    confidence_level: float
    funnel_levels: Sequence[float]  # of the inner and the outer limits


# The funnel


@dataclass(frozen=True)
class Deals:
    """Closed deals by rep and by cell, a combination of the levels of their factors."""

    design: object  # csr_array (cells, p): a column of ones, then one of each level but the first of its factor
    won: object  # csr_array (reps, cells)
    count: object


@dataclass(frozen=True)
class Comparison:
    """Each rep against what the fit of some reps' deals expects."""

    won: Array
    expected: Array
    covariance: Array  # (reps, reps) of won - expected
    variance: Array  # its diagonal; NaN where a rep can't be told apart from the factors

    def z(self, judged: Array) -> Array:
        """z of the judged reps before any dispersion, NaN of the others."""
        return np.where(judged, (self.won - self.expected) / np.sqrt(self.variance), np.nan)

    def p_value(self, judged: Array) -> float:
        """Homogeneity: that no judged rep has an effect. NaN where nothing can be told."""
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(judged, judged)])
        kept = values > 1e-9 * values.max(initial=0.0)
        if not kept.any():
            return np.nan
        residual = vectors[:, kept].T @ (self.won - self.expected)[judged]
        return float(chdtrc(int(kept.sum()), np.sum(residual**2 / values[kept])))


def group(reps: Array, values: dict[str, Array], won: Array, count: Array, min_level_deals: float) -> tuple[list[str], Deals]:
    """Names of the reps in their order, and the deals. Levels with fewer than `min_level_deals` deals stand together."""
    import pandas as pd
    from scipy.sparse import coo_array

    rep, names = pd.factorize(np.asarray(reps, object), sort=True)
    cell, columns, width = np.zeros(len(count), np.int64), [np.zeros(len(count), np.int64)], 1
    for texts in values.values():
        code, levels = pd.factorize(np.asarray(texts, object), sort=True)
        is_rare = np.bincount(code, count, len(levels)) < min_level_deals
        level = np.unique(np.where(is_rare, RARE, levels).astype(str), return_inverse=True)[1][code]
        columns.append(np.where(level > 0, width + level - 1, -1))
        width += int(level.max(initial=0))
        cell = np.unique(cell * (level.max(initial=0) + 1) + level, return_inverse=True)[1]
    table = np.column_stack(columns)[np.unique(cell, return_index=True)[1]]
    shape = (len(names), len(table))
    return names.tolist(), Deals(
        one_hot(table, width), *(coo_array((np.asarray(each, float), (rep, cell)), shape=shape).tocsr() for each in (won, count))
    )


def compare(deals: Deals, is_in: Array) -> Comparison:
    """Reps against the fit of the deals of those that are `is_in`; the covariance is that of these."""
    from scipy.sparse import diags_array

    rows = np.flatnonzero(is_in)
    rate, inverse = predict_rates(deals.design, *(np.asarray(each[rows].sum(axis=0)).ravel() for each in (deals.won, deals.count)))
    spread = rate * (1 - rate)
    binomial, share = deals.count @ spread, (deals.count @ diags_array(spread) @ deals.design).toarray()
    covariance = np.diag(binomial) - share @ inverse @ share.T
    variance = np.diag(covariance)
    variance = np.where(is_in & (variance > 1e-9 * binomial), variance, np.nan)
    return Comparison(np.asarray(deals.won.sum(axis=1)).ravel(), deals.count @ rate, covariance, variance)


def dispersion(z: Array) -> float:
    """D of the z that are known."""
    z = z[np.isfinite(z)]
    if len(z) < LEAST_REPS:
        return 1.0
    found = float(np.var(np.clip(z, *np.quantile(z, [TAIL, 1 - TAIL])), ddof=1)) / WINSORISED_VARIANCE
    return found if found > 1 + LEAST_EXCESS / np.sqrt(len(z)) else 1.0


def step_down_reps(deals: Deals, judged: Array, level: float) -> tuple[Array, Array, float]:
    """Adjusted p value of each rep (NaN where none could be had), which of them are signals, and the dispersion of the others."""
    spread = 1.0

    def score(active: Array) -> Array:
        nonlocal spread
        z = compare(deals, active).z(judged & active)
        if np.isfinite(z).any():
            others = judged & active & ~largest(z)
            spread = dispersion(compare(deals, others | ~judged & active).z(others)) if others.any() else 1.0
        return z / np.sqrt(spread)

    return *step_down(score, len(judged), level), spread


def why_not_judged(comparison: Comparison, count: Array, settings: Settings) -> list[tuple[str, str] | None]:
    """Verdict and reason of each rep that can't be judged."""
    lost = count - comparison.expected
    return [
        ("insufficient_n", "too few closed deals") if count[rep] < settings.min_deals
        else ("not_computable", "can't be told apart from the factors of the deals") if np.isnan(comparison.variance[rep])
        else ("insufficient_n", "too few won or lost deals are expected")
        if min(comparison.expected[rep], lost[rep]) < settings.min_expected_deals
        else None
        for rep in range(len(count))
    ]  # fmt: skip


def funnel(names: list[str], deals: Deals, settings: Settings) -> dict[str, dict]:
    """What the closed deals say of each rep."""
    won, count = (np.asarray(each.sum(axis=1)).ravel() for each in (deals.won, deals.count))
    everything = np.ones(len(names), bool)
    comparison = compare(deals, everything)
    reasons = why_not_judged(comparison, count, settings)
    if won.sum() in (0, count.sum()):
        reasons = [("not_computable", "no deal was lost" if won.sum() else "no deal was won")] * len(names)
    judged = np.array([reason is None for reason in reasons])
    family = comparison.p_value(judged) if judged.any() else np.nan
    adjusted, is_signal, spread = step_down_reps(deals, judged, settings.fdr_level)
    is_different = family <= settings.fdr_level
    z = comparison.z(judged) / np.sqrt(spread)
    overall = won.sum() / count.sum()
    quantile = normal_quantile(settings.confidence_level)
    lower, upper = wilson(Proportion(won, count), quantile)

    def adjust(wins: Array) -> Array:
        """Wins against expected wins, as a rate; at most 1."""
        return np.clip(ratio(wins, comparison.expected) * overall, 0, 1)

    columns = {
        "closed_deal_count": count.astype(int), "won_deal_count": won.astype(int), "win_rate_lower": lower, "win_rate_upper": upper,
        "expected_won_deal_count": comparison.expected, "overall_win_rate": np.full(len(names), overall),
        "risk_adjusted_win_rate": adjust(won), "risk_adjusted_lower": adjust(lower * count), "risk_adjusted_upper": adjust(upper * count),
        "dispersion": np.where(judged, spread, np.nan), "z_score": z, "p_value": two_sided(z),
        "adjusted_p_value": np.maximum(adjusted, family), "family_p_value": np.where(judged, family, np.nan),
    }  # fmt: skip
    for name, level in zip(("inner", "outer"), settings.funnel_levels, strict=True):
        reach = np.where(judged, normal_quantile(level) * np.sqrt(comparison.variance * spread), np.nan)
        columns |= {
            f"funnel_{name}_lower": adjust(comparison.expected - reach),
            f"funnel_{name}_upper": adjust(comparison.expected + reach),
        }
    return {
        name: {column: values[rep].item() for column, values in columns.items()}
        | {"judged_rep_count": int(judged.sum()), "missing_reason": reasons[rep] and reasons[rep][1]}
        | {"verdict": reasons[rep][0] if reasons[rep] else "signal" if is_different and is_signal[rep] else "no_signal"}
        for rep, name in enumerate(names)
    }


# Said and won


def bias(sums: dict, settings: Settings) -> dict:
    """Of one rep: `sums` holds SUMS over the deals of the rep's past pipelines."""
    said, won, deals = float(sums["forecast_amount"]), float(sums["realised_amount"]), sums["forecast_deal_count"]
    if said <= 0 or won <= 0:
        return {"forecast_bias_verdict": "not_computable"}
    found = {"forecast_bias_rate": said / won - 1, "forecast_bias_verdict": "insufficient_n"}
    freedom = sums["forecast_won_deal_count"] - 1
    if deals < max(2, settings.min_deals) or freedom < 1 or sums["forecast_date_count"] < settings.min_forecast_dates:
        return found
    # Variances and covariance of the two sums over deals.
    pairs = (("squared_forecast_amount", said * said), ("squared_realised_amount", won * won), ("crossed_amount", said * won))
    variance, won_variance, covariance = (deals / (deals - 1) * (sums[name] - product / deals) for name, product in pairs)
    lower, upper = fieller(
        Quotient(said, won, variance, won_variance, covariance), float(stdtrit(freedom, (1 + settings.confidence_level) / 2))
    )
    error = np.sqrt(max(0.0, variance - 2 * covariance + won_variance))
    if np.isnan(lower) or error == 0:
        return found
    return found | {
        "forecast_bias_lower": max(0.0, float(lower)) - 1,
        "forecast_bias_upper": float(upper) - 1,
        "forecast_bias_p_value": float(2 * stdtr(freedom, -abs(said - won) / error)),
        "forecast_bias_verdict": "no_signal",
    }


def biases(sums: dict[str, dict], settings: Settings) -> dict[str, dict]:
    """`bias` of each rep, judged together."""
    found = {rep: bias(each, settings) for rep, each in sorted(sums.items())}
    judged = [each for each in found.values() if "forecast_bias_p_value" in each]
    q_values = benjamini_hochberg([each["forecast_bias_p_value"] for each in judged])
    for each, q_value in zip(judged, q_values, strict=True):
        each |= {
            "forecast_bias_q_value": float(q_value),
            "forecast_bias_verdict": "signal" if q_value <= settings.fdr_level else "no_signal",
        }
    return found


def on_time(dated: int, count: int, settings: Settings) -> dict:
    """Interval of the share of a rep's deals that closed by the date first said."""
    interval = wilson(Proportion(count, dated), normal_quantile(settings.confidence_level))
    return dict(zip(ON_TIME, map(float, interval), strict=True))


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings(**dbt.config.meta_get("settings"))
    cells = dbt.ref("int_rep_cells").fetchnumpy()
    values = {name: texts for name, texts in cells.items() if name not in ("sales_rep_id", *COUNTS)}
    rows = {}
    if len(cells["sales_rep_id"]):
        grouped = group(cells["sales_rep_id"], values, cells["won_deal_count"], cells["closed_deal_count"], settings.min_level_deals)
        rows = funnel(*grouped, settings)
    sums = read_rows(dbt.ref("int_rep_forecasts"), ["sales_rep_id", *SUMS], ["sales_rep_id"])
    for rep, found in biases({each["sales_rep_id"]: each for each in sums}, settings).items():
        rows[rep] = rows.get(rep, {}) | found
    for rep, dated, count in dbt.ref("int_rep_close_dates").project("sales_rep_id, dated_deal_count, on_time_deal_count").fetchall():
        rows[rep] = rows.get(rep, {}) | on_time(dated, count, settings)
    table = [{"sales_rep_id": rep} | rows[rep] for rep in sorted(rows)]
    return from_rows(table, {str: ("sales_rep_id", *TEXTS), int: COUNTS, float: FIGURES})
