"""One row per fit, factor, level and period: how the level is associated with winning, the other factors held equal.

Two fits: what is known at creation, and the same with the cycle band, which is known only after the close. `half_year_start_date` is
null for the fit of all deals; else the row is of a fit of the deals closed in that half-year.

A fit is a logistic regression of won, one row a deal, on deals grouped by the levels of their factors; maximum likelihood by Newton's
method, standard errors from the inverse Fisher information. A level's effect is a difference of average predicted win rates: of
all deals, had they been of this level, against the mean of the factor's other levels weighted by their deals (what is judged) or
against the reference, in percentage points with delta-method intervals. So the reference is only a parametrisation.

Two stages of the verdict: likelihood-ratio tests of the m factors, Benjamini-Hochberg over them; then, only inside the factors that pass
at `fdr_level`, levels one after the other, the one that stands out most first, at `fdr_level` / m, so that all false levels together
come up in no more than `fdr_level` of inputs. A level that passes leaves the others, because its presence there would make the rest
look different. (Two planted effects, 3,000 deals: at `fdr_level` x selected / m, Benjamini and Bogomolov's average over the selected,
another level was a signal in 12 % of 1,000 CRMs; at `fdr_level` / m in 5 %, and the planted ones were found in 99 % either way.)

Rare levels stand together as one. A likelihood without a maximum (some level only wins or only loses) keeps Newton's steps long: then
the fit is Firth's (1993), whose penalty has finite estimates and does not depend on the reference, with penalised likelihood ratios
(Heinze and Schemper 2002). What can't be told apart from other factors has no effect and says so.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import chdtrc, expit

from inference.dimensions import known_at, with_own
from inference.intervals import normal_quantile
from inference.logistic import Fit, fit_logistic, likelihood_ratio, one_hot
from inference.multiplicity import benjamini_hochberg, step_down
from inference.significance import two_sided
from inference.tables import from_rows

RARE = "(rare)"
NOT_FREQUENT = "all but the most frequent"  # what int_driver_cells has as RARE already
TEXTS = ("factor", "level", "reference_level", "pooled_levels", "verdict", "stability_verdict", "missing_reason")
COUNTS = (
    "closed_deal_count",
    "won_deal_count",
    "fit_deal_count",
    "fit_degrees_of_freedom",
    "factor_degrees_of_freedom",
    "judged_factor_count",
    "half_year_count",
)
FLAGS = ("is_known_only_after_close", "is_reference", "is_judged", "is_separated", "is_penalised", "is_sign_flip")
FIGURES = (
    "fit_intercept",
    "fit_chi2",
    "fit_p_value",
    "factor_chi2",
    "factor_p_value",
    "factor_q_value",
    "coefficient",
    "standard_error",
    "odds_ratio",
    "odds_ratio_lower",
    "odds_ratio_upper",
    "adjusted_win_rate",
    "vs_reference_pp",
    "vs_reference_lower_pp",
    "vs_reference_upper_pp",
    "vs_others_pp",
    "vs_others_standard_error_pp",
    "vs_others_lower_pp",
    "vs_others_upper_pp",
    "vs_others_p_value",
    "level_adjusted_p_value",
    "stability_p_value",
    "stability_q_value",
)
Array = np.ndarray


# Effects


@dataclass(frozen=True)
class Means:
    """Of each level of a factor, the mean predicted win rate of all deals, had they been of this level."""

    fit: Fit
    count: Array  # (levels,) deals
    mean: Array  # (levels,)
    gradient: Array  # (levels, p)

    def differences(self, contrasts: Array) -> tuple[Array, Array]:
        """Contrasts of the means and their delta-method standard errors; NaN where a contrast is NaN or can't be estimated."""
        known = np.isfinite(contrasts).all(axis=1)
        contrasts = np.where(known[:, None], contrasts, 0.0)
        gradients = contrasts @ self.gradient
        known &= self.fit.is_estimable(gradients)
        error = np.sqrt(np.maximum(0.0, np.einsum("ij,jk,ik->i", gradients, self.fit.covariance, gradients)))
        return np.where(known, contrasts @ self.mean, np.nan), np.where(known & (error > 0), error, np.nan)

    def against_others(self, active: Array, least: float) -> Array:
        """Contrasts of each active level with the others that are active, weighted by their deals, of which it takes `least`."""
        weight = np.where(active, self.count, 0.0)
        others = weight.sum() - weight
        contrasts = -weight / np.maximum(others, 1.0)[:, None]
        np.fill_diagonal(contrasts, 1.0)
        contrasts[~active | (others < max(1.0, least))] = np.nan
        return contrasts

    def z_against_others(self, is_candidate: Array, least: float, active: Array) -> Array:
        effect, error = self.differences(self.against_others(active, least))
        return np.where(is_candidate, effect / error, np.nan)

    def against_reference(self) -> Array:
        contrasts = np.eye(len(self.count))
        contrasts[:, 0] -= 1
        contrasts[0] = np.nan
        return contrasts


def marginal_means(design, count: Array, fit: Fit, codes: Array, columns: Array) -> Means:
    """`codes`: level of each cell, 0 the reference; `columns`: those of levels 1, 2, ... in the design."""
    effects = np.concatenate([[0.0], fit.coefficients[columns]])
    logit = design @ fit.coefficients - effects[codes]
    mean, gradient = np.empty(len(effects)), np.empty((len(effects), design.shape[1]))
    for level, effect in enumerate(effects):
        rate = expit(logit + effect)
        slope = count * rate * (1 - rate) / count.sum()
        mean[level] = np.sum(count * rate) / count.sum()
        gradient[level] = design.T @ slope
        gradient[level, columns] = 0.0
        if level:
            gradient[level, columns[level - 1]] = slope.sum()
    return Means(fit, np.bincount(codes, count, len(effects)), mean, gradient)


# Deals, grouped


@dataclass(frozen=True)
class Settings:
    factors: Sequence[str]
    factors_judged_elsewhere: Sequence[str]  # they are in the fit
    min_level_deals: float
    min_outcomes_per_parameter: float
    fdr_level: float
    confidence_level: float
    own_dimensions: Sequence[Mapping[str, str]] = ()

    @property
    def normal_quantile(self) -> float:
        return normal_quantile(self.confidence_level)

    @property
    def own_factors(self) -> list[str]:
        return known_at(self.own_dimensions, ["creation"])

    @property
    def all_factors(self) -> list[str]:
        return with_own(self.factors, self.own_dimensions, ["creation"])


@dataclass(frozen=True)
class Factor:
    name: str
    levels: tuple[str, ...]  # the reference first: the most frequent level, ties by name; then by name
    pooled: tuple[str, ...]  # the levels that stand together as RARE


@dataclass(frozen=True)
class Deals:
    """Deals grouped by the levels of their factors: `won` of the `count` deals of a cell are won."""

    factors: tuple[Factor, ...]
    codes: Array  # (cells, factors)
    won: Array
    count: Array

    def columns(self, position: int) -> Array:
        """Columns of a factor's levels 1, 2, ... in the design."""
        first = 1 + sum(len(factor.levels) - 1 for factor in self.factors[:position])
        return np.arange(first, first + len(self.factors[position].levels) - 1)

    def design(self):
        """A column of ones, then one of each level but the references."""
        place = [np.concatenate([[-1], self.columns(position)])[self.codes[:, position]] for position in range(len(self.factors))]
        return one_hot(
            np.column_stack([np.zeros(len(self.count), int), *place]), 1 + sum(len(factor.levels) - 1 for factor in self.factors)
        )

    def where(self, is_kept: Array) -> "Deals":
        """The deals of some cells, one cell for each combination of levels, in order of the levels."""
        codes = self.codes[is_kept]
        key = np.zeros(len(codes), np.int64)
        for position, factor in enumerate(self.factors):
            key = np.unique(key * len(factor.levels) + codes[:, position], return_inverse=True)[1]
        first = np.unique(key, return_index=True)[1]
        won, count = (np.bincount(key, values[is_kept], len(first)) for values in (self.won, self.count))
        return replace(self, codes=codes[first], won=won, count=count)


def group(
    values: dict[str, list[str] | Array],
    won: Array,
    count: Array,
    min_level_deals: float,
    own_factors: Sequence[str] = (),
    own_level_deals: float = 0,
) -> Deals:
    """Deals from the text values of each factor by cell; levels with fewer than `min_level_deals` deals stand together.

    Those of `own_factors` do with fewer than `own_level_deals`, where that is more.
    """
    import pandas as pd

    factors, codes = [], []
    for name, texts in values.items():
        code, names = pd.factorize(np.asarray(texts, object), sort=True)
        frequency = np.bincount(code, count, len(names))
        least = max(min_level_deals, own_level_deals) if name in own_factors else min_level_deals
        pooled = tuple(NOT_FREQUENT if each == RARE else each for each in names[(frequency < least) | (names == RARE)].tolist())
        level = np.where(frequency < least, RARE, names)
        merged = {each: float(frequency[level == each].sum()) for each in sorted(set(level.tolist()))}
        levels = tuple(sorted(merged, key=lambda each: (each == RARE, -merged[each]))[:1])
        levels += tuple(each for each in merged if each not in levels)
        factors.append(Factor(name, levels, pooled))
        codes.append(np.array([levels.index(each) for each in level], int)[code])
    table = np.column_stack(codes) if codes else np.zeros((len(count), 0), int)
    return Deals(tuple(factors), table, np.asarray(won, float), np.asarray(count, float))


def parameter_count(deals: Deals) -> int:
    return 1 + sum(len(factor.levels) - 1 for factor in deals.factors)


def group_within_reach(values: dict[str, list[str] | Array], won: Array, count: Array, settings: Settings) -> Deals:
    """Deals from the text values of each factor, with no more levels of own dimensions than there are won and lost deals for.

    Where there are too many, ever more of the rarest stand together: a column of many values must not leave the other factors without a fit.
    """
    least, lesser = settings.min_level_deals, min(np.sum(won), np.sum(count) - np.sum(won))
    deals = group(values, won, count, least)
    while parameter_count(deals) * settings.min_outcomes_per_parameter > lesser and least <= np.sum(count):
        if not any(len(factor.levels) > 1 and factor.name in settings.own_factors for factor in deals.factors):
            break
        least *= 2
        deals = group(values, won, count, settings.min_level_deals, settings.own_factors, least)
    return deals


# From deals to rows


@dataclass(frozen=True)
class Estimate:
    """A fit of deals, the means of each factor's levels, and why there may be none of them."""

    deals: Deals
    fit: Fit | None
    means: tuple[Means, ...]
    verdict: str  # insufficient_n, not_computable, or no_signal where there is something to judge
    missing_reason: str | None


def estimate(deals: Deals, settings: Settings) -> Estimate:
    won, lost = deals.won.sum(), (deals.count - deals.won).sum()
    parameters = parameter_count(deals)
    if min(won, lost) == 0:
        return Estimate(deals, None, (), "not_computable", "no deal was lost" if won else "no deal was won")
    if min(won, lost) < settings.min_outcomes_per_parameter * parameters:
        return Estimate(deals, None, (), "insufficient_n", "too few won or lost deals for this many levels")
    design = deals.design()
    fit = fit_logistic(design, deals.won, deals.count)
    if not fit.has_converged:
        fit = fit_logistic(design, deals.won, deals.count, is_penalised=True)
    means = tuple(
        marginal_means(design, deals.count, fit, deals.codes[:, position], deals.columns(position))
        for position in range(len(deals.factors))
    )
    return Estimate(deals, fit, means, "no_signal", None)


def effect_figures(effect: Array, error: Array, quantile: float, prefix: str) -> dict[str, Array]:
    """Effect and interval in percentage points."""
    return {
        f"{prefix}_pp": 100 * effect,
        f"{prefix}_lower_pp": 100 * (effect - quantile * error),
        f"{prefix}_upper_pp": 100 * (effect + quantile * error),
    }


def level_rows(found: Estimate, settings: Settings) -> list[dict]:
    """A row per factor and level: counts and effects. Rows of one factor follow each other, in the order of its levels."""
    rows = []
    for position, factor in enumerate(found.deals.factors):
        size, codes = len(factor.levels), found.deals.codes[:, position]
        columns = {name: np.full(size, np.nan) for name in FIGURES}
        if found.fit:
            fit, means = found.fit, found.means[position]
            own = found.deals.columns(position)
            columns["fit_intercept"][:] = fit.coefficients[0]
            columns["coefficient"] = np.concatenate([[0.0], fit.coefficients[own]])
            units = np.eye(len(fit.coefficients))[own]
            deviation = np.sqrt(np.diag(fit.covariance)[own])
            columns["standard_error"][1:] = np.where(fit.is_estimable(units) & (deviation > 0), deviation, np.nan)
            half = settings.normal_quantile * columns["standard_error"]
            columns["odds_ratio"] = np.exp(columns["coefficient"] + 0 * columns["standard_error"])
            columns["odds_ratio_lower"], columns["odds_ratio_upper"] = (
                np.exp(columns["coefficient"] - half),
                np.exp(columns["coefficient"] + half),
            )
            columns["adjusted_win_rate"] = np.where(fit.is_estimable(means.gradient), means.mean, np.nan)
            effect, error = means.differences(means.against_reference())
            columns |= effect_figures(effect, error, settings.normal_quantile, "vs_reference")
            effect, error = means.differences(means.against_others(np.ones(size, bool), settings.min_level_deals))
            columns |= effect_figures(effect, error, settings.normal_quantile, "vs_others")
            columns |= {"vs_others_standard_error_pp": 100 * error, "vs_others_p_value": two_sided(effect / error)}
        won, count = (np.bincount(codes, values, size) for values in (found.deals.won, found.deals.count))
        for number, level in enumerate(factor.levels):
            rows.append(
                dict.fromkeys([*TEXTS, *COUNTS])
                | dict.fromkeys(FLAGS, False)
                | {name: float(values[number]) for name, values in columns.items()}
                | {"factor": factor.name, "level": level, "reference_level": factor.levels[0], "is_reference": number == 0}
                | {"pooled_levels": ", ".join(factor.pooled) if level == RARE and factor.pooled else None}
                | {"closed_deal_count": int(count[number]), "won_deal_count": int(won[number])}
                | {"fit_deal_count": int(found.deals.count.sum()), "is_judged": factor.name not in settings.factors_judged_elsewhere}
                | {"is_separated": won[number] in (0, count[number]), "is_penalised": bool(found.fit and found.fit.is_penalised)}
                | {"half_year_count": 0, "verdict": found.verdict, "missing_reason": found.missing_reason}
            )
    return rows


def judge(found: Estimate, settings: Settings) -> list[dict]:
    """Rows of the fit of all deals, with tests and verdicts."""
    rows = level_rows(found, settings)
    if not found.fit:
        return rows
    deals, fit, design = found.deals, found.fit, found.deals.design()
    by_factor = [[row for row in rows if row["factor"] == factor.name] for factor in deals.factors]

    joint = likelihood_ratio(design, deals.won, deals.count, fit, np.arange(1, design.shape[1]))
    for row in rows:
        row |= dict(zip(("fit_chi2", "fit_degrees_of_freedom", "fit_p_value"), joint, strict=True))
    tests = [likelihood_ratio(design, deals.won, deals.count, fit, deals.columns(position)) for position in range(len(deals.factors))]
    for members, test in zip(by_factor, tests, strict=True):
        for row in members:
            row |= dict(zip(("factor_chi2", "factor_degrees_of_freedom", "factor_p_value"), test, strict=True))
            reasons = {
                "the factor has one level only": len(members) == 1,
                "judged elsewhere": not row["is_judged"],
                "rare levels stand together": row["level"] == RARE,
                "can't be told apart from other factors": not np.isfinite(test[2]) or not np.isfinite(row["vs_others_p_value"]),
            }
            row["missing_reason"] = next((reason for reason, holds in reasons.items() if holds), None)
            if row["missing_reason"]:
                row["verdict"] = "insufficient_n" if row["level"] == RARE and row["is_judged"] else "not_computable"

    judged = [position for position, test in enumerate(tests) if by_factor[position][0]["is_judged"] and np.isfinite(test[2])]
    q_values = benjamini_hochberg([tests[position][2] for position in judged])
    for position, q_value in zip(judged, q_values, strict=True):
        members = by_factor[position]
        for row in members:
            row |= {"factor_q_value": float(q_value), "judged_factor_count": len(judged)}
        if q_value <= settings.fdr_level:
            is_candidate = np.array([row["verdict"] == "no_signal" for row in members])
            score = partial(found.means[position].z_against_others, is_candidate, settings.min_level_deals)
            adjusted, is_signal = step_down(score, len(members), settings.fdr_level, times=len(judged))
            for row, p_value, passes in zip(members, adjusted, is_signal, strict=True):
                row |= {"level_adjusted_p_value": float(p_value), "verdict": "signal" if passes else row["verdict"]}
    return rows


def add_stability(rows: list[dict], half_years: dict[object, list[dict]] | None, settings: Settings) -> None:
    """Do a level's effects differ between half-years? Cochran's Q of each judged level, Benjamini-Hochberg over the levels.

    A sign flip needs that and the intervals of two half-years that exclude 0 on both sides. Writes into `rows` and `half_years`, of
    which a fit may have none at all.
    """
    for row in rows:
        row["stability_verdict"] = "not_computable" if half_years is None or row["verdict"] == "not_computable" else "insufficient_n"
    if half_years is None:
        return
    judged = []
    for row in rows:
        same = [
            other
            for members in half_years.values()
            for other in members
            if (other["factor"], other["level"]) == (row["factor"], row["level"]) and np.isfinite(other["vs_others_standard_error_pp"])
        ]
        row["half_year_count"] = len(same)
        if len(same) >= 2 and row["verdict"] in ("signal", "no_signal"):
            effect, error = (np.array([other[name] for other in same]) for name in ("vs_others_pp", "vs_others_standard_error_pp"))
            mean = np.sum(effect / error**2) / np.sum(1 / error**2)
            row["stability_p_value"] = float(chdtrc(len(same) - 1, np.sum(((effect - mean) / error) ** 2)))
            judged.append((row, same))
    q_values = benjamini_hochberg([row["stability_p_value"] for row, _ in judged])
    for (row, same), q_value in zip(judged, q_values, strict=True):
        differs = bool(q_value <= settings.fdr_level)
        flips = any(other["vs_others_lower_pp"] > 0 for other in same) and any(other["vs_others_upper_pp"] < 0 for other in same)
        row |= {
            "stability_q_value": float(q_value),
            "stability_verdict": "signal" if differs else "no_signal",
            "is_sign_flip": differs and flips,
        }
    keys = {(row["factor"], row["level"]): row for row in rows}
    for members in half_years.values():
        for other in members:
            row = keys[other["factor"], other["level"]]
            for name in ("stability_p_value", "stability_q_value", "stability_verdict", "is_sign_flip", "half_year_count"):
                other[name] = row[name]
            other["verdict"] = row["stability_verdict"]


def analyse(deals: Deals, half_year: Array | None, settings: Settings) -> list[dict]:
    """All rows of one fit. `half_year`: of each cell the complete half-year it was closed in (None in an incomplete one), or None."""
    rows = judge(estimate(deals.where(np.ones(len(deals.count), bool)), settings), settings)
    rows = [row | {"half_year_start_date": None} for row in rows]
    if half_year is None:
        add_stability(rows, None, settings)
        return rows
    half_years = {}
    for start in sorted({each for each in half_year if each is not None}):
        found = estimate(deals.where(half_year == start), settings)
        if found.fit:
            members = [row for row in level_rows(found, settings) if row["closed_deal_count"] >= settings.min_level_deals]
            half_years[start] = [row | {"half_year_start_date": start} for row in members]
    add_stability(rows, half_years, settings)
    return [*rows, *(row for members in half_years.values() for row in members)]


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings(**dbt.config.meta_get("settings"))
    cells, rows = dbt.ref("int_driver_cells"), []
    for is_after, names in ((False, settings.all_factors), (True, [*settings.all_factors, "cycle_band"])):
        columns = cells.filter("is_known_only_after_close" if is_after else "not is_known_only_after_close").fetchnumpy()
        deals = group_within_reach(
            {name: columns[name] for name in names}, columns["won_deal_count"], columns["closed_deal_count"], settings
        )
        complete = None if is_after else np.where(columns["is_complete_half_year"], columns["half_year_start_date"].astype(object), None)
        rows += [row | {"is_known_only_after_close": is_after} for row in analyse(deals, complete, settings)]
    return from_rows(rows, {bool: FLAGS, datetime.date: ("half_year_start_date",), str: TEXTS, int: COUNTS, float: FIGURES})
