"""One row per fit, factor, level and period: how the level is associated with winning, the other factors held equal.

Two fits: what is known at creation, and the same with the cycle band, which is known only after the close. `half_year_start_date` is
null for the fit of all deals; else the row is of a fit of the deals closed in that half-year.

A fit is a logistic regression of won, one row a deal, on deals grouped by the levels of their factors; maximum likelihood by scikit-learn,
standard errors from the inverse Fisher information. A level's effect is a difference of average predicted win rates: of
all deals, had they been of this level, against the mean of the factor's other levels weighted by their deals, in percentage points, with
delta-method standard errors. So the reference of the coefficients is only a parametrisation.

The other levels that a level is compared with are those that look alike: the one that stands out most from the rest leaves, as long as it
does so beyond chance (`reference_set`). Then every level is judged once, against those that are left but for itself, by Wald's test: a
signal if p x levels is at most `fdr_level` / m with m judged factors (two levels are one contrast; from twelve on Benjamini-Hochberg). The
interval is that test's inverse at the same level, so it leaves 0 out for signals, and for nothing else. The likelihood-ratio tests of factors
stand beside it and decide nothing.

Deals of one account are alike, which makes chance larger: the standard error of a level is that of independent deals x the root of its design
effect (`contrast_design_effect`), whose correlation is the least that the factors' levels leave between the deals of an account.

Reps are in no fit: in most companies a rep sells in one region or team, which a fit with the reps couldn't tell apart from them. Rare levels
stand together as one. A likelihood without a maximum (some level only wins or only loses) has no end to its steps: then the fit is Firth's
(1993), whose penalty has finite estimates and does not depend on the reference, with penalised likelihood ratios (Heinze and Schemper 2002).
What can't be told apart from other factors has no effect and says so.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import chdtrc, expit, ndtri

from inference.clusters import Accounts, contrast_design_effect, within_account_correlation
from inference.dimensions import known_at, with_own
from inference.intervals import normal_quantile
from inference.logistic import Fit, fit_logistic, likelihood_ratio, one_hot
from inference.multiplicity import benjamini_hochberg, correct, reference_set, shrink_differences
from inference.significance import two_sided
from inference.tables import from_rows, read_rows

RARE = "(rare)"
NOT_FREQUENT = "all but the most frequent"  # what int_driver_cells has as RARE already
TEXTS = ("factor", "level", "reference_level", "pooled_levels", "other_levels", "verdict", "stability_verdict", "missing_reason")
COUNTS = (
    "closed_deal_count",
    "won_deal_count",
    "other_level_count",
    "fit_deal_count",
    "fit_degrees_of_freedom",
    "factor_degrees_of_freedom",
    "judged_factor_count",
    "half_year_count",
)
FLAGS = ("is_known_only_after_close", "is_reference", "is_separated", "is_penalised", "is_sign_flip")
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
    "vs_others_confidence_level",
    "shrunk_vs_others_pp",
    "detectable_difference_pp",
    "design_effect",
    "adjusted_p_value",
    "p_value_threshold",
    "stability_p_value",
    "stability_q_value",
)
POWER = 0.8  # the chance with which a difference of detectable_difference_pp is found
COMPARED = (
    "vs_others_pp", "vs_others_standard_error_pp", "vs_others_lower_pp", "vs_others_upper_pp", "vs_others_p_value", "design_effect",
)  # fmt: skip
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

    def against(self, others: Array, least: float) -> Array:
        """Contrasts of each level with the `others` but for itself, weighted by their deals, of which it takes `least`."""
        contrasts = np.tile(np.where(others, self.count, 0.0), (len(self.count), 1))
        np.fill_diagonal(contrasts, 0.0)
        deals = contrasts.sum(axis=1)
        contrasts /= -np.maximum(deals, 1.0)[:, None]
        np.fill_diagonal(contrasts, 1.0)
        contrasts[deals < max(1.0, least)] = np.nan
        return contrasts

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
    left_out: Sequence[str]  # of the factors; they are judged elsewhere
    min_level_deals: float
    min_accounts: float
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
        return [name for name in with_own(self.factors, self.own_dimensions, ["creation"]) if name not in self.left_out]


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


# Deals, by account


@dataclass(frozen=True)
class LevelAccounts:
    """Sums over the accounts of a level's deals, m of them there and M altogether; r is what an account won beyond what its levels expect."""

    account_count: float
    account_share: float  # sum of m / M
    closed_deal_count: float  # of m
    won_deal_count: float
    squared_deal_count: float  # of m^2
    crossed_deal_count: float  # of m M
    residual: float  # of m r^2 / M^2


ByAccount = Mapping[str, Mapping[str, LevelAccounts]]  # of each factor and level


def factor_accounts(levels: Mapping[str, LevelAccounts]) -> Accounts:
    found = levels.values()
    return Accounts(
        account_count=sum(level.account_share for level in found),
        deal_count=sum(level.closed_deal_count for level in found),
        squared_deal_count=sum(level.crossed_deal_count for level in found),
        between=sum(level.residual for level in found),
        total=sum(level.won_deal_count * (1 - level.won_deal_count / level.closed_deal_count) for level in found),
    )


def account_correlation(by_account: ByAccount) -> float:
    """What the levels of the factor that explains most leave: each factor's are an upper bound of what all leave together.

    Rates of many levels follow the accounts that they are made of, which is made up for; more than half as many as accounts say nothing.
    """
    found = []
    for levels in by_account.values():
        accounts = factor_accounts(levels)
        if accounts.account_count > 2 * len(levels):
            times = (accounts.account_count - 1) / (accounts.account_count - len(levels))
            found.append(within_account_correlation(replace(accounts, between=times * accounts.between)))
    return min(found, default=0.0)


def design_effects(factor: Factor, by_account: ByAccount) -> tuple[Array, Array]:
    """Of each level, how many deals stand for one, and from how many accounts they are; 1 and infinity where there are none."""
    levels, correlation = by_account.get(factor.name, {}), account_correlation(by_account)
    effect, accounts = np.ones(len(factor.levels)), np.full(len(factor.levels), np.inf)
    if levels:
        whole = factor_accounts(levels)
    for position, name in enumerate(factor.levels):
        if level := levels.get(name):
            accounts[position] = level.account_count
            effect[position] = contrast_design_effect(
                correlation, level.closed_deal_count, level.squared_deal_count, level.crossed_deal_count, whole
            )
    return effect, accounts


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


@dataclass(frozen=True)
class Comparison:
    """What each level of a factor is compared with, and how sure its deals make one."""

    others: Array  # (levels,) whether the level is one of those that look alike
    design_effect: Array  # (levels,)
    account_count: Array  # (levels,)

    def effects(self, means: Means, settings: Settings) -> tuple[Array, Array]:
        """Effect of each level against the others but for itself, and its standard error."""
        effect, error = means.differences(means.against(self.others, settings.min_level_deals))
        return effect, error * np.sqrt(self.design_effect)


def compare(found: Estimate, by_account: ByAccount, level: float, settings: Settings) -> list[Comparison]:
    """A comparison for each factor. A level leaves those that look alike at `level`."""
    comparisons = []
    for factor, means in zip(found.deals.factors, found.means, strict=True):
        effect, accounts = design_effects(factor, by_account)

        def z(active: Array, means=means, effect=effect, accounts=accounts) -> Array:
            difference, error = Comparison(active, effect, accounts).effects(means, settings)
            return difference / error

        comparisons.append(Comparison(reference_set(z, len(factor.levels), level), effect, accounts))
    return comparisons


def effect_figures(effect: Array, error: Array, quantile: Array | float, prefix: str) -> dict[str, Array]:
    """Effect and interval in percentage points."""
    return {
        f"{prefix}_pp": 100 * effect,
        f"{prefix}_lower_pp": np.maximum(100 * (effect - quantile * error), -100),
        f"{prefix}_upper_pp": np.minimum(100 * (effect + quantile * error), 100),
    }


def level_rows(found: Estimate, comparisons: Sequence[Comparison], settings: Settings) -> list[dict]:
    """A row per factor and level: counts and effects. Rows of one factor follow each other, in the order of its levels."""
    rows = []
    for position, factor in enumerate(found.deals.factors):
        size, codes = len(factor.levels), found.deals.codes[:, position]
        columns = {name: np.full(size, np.nan) for name in FIGURES}
        if found.fit:
            fit, means, comparison = found.fit, found.means[position], comparisons[position]
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
            effect, error = comparison.effects(means, settings)
            columns |= effect_figures(effect, error, settings.normal_quantile, "vs_others")
            columns |= {"vs_others_standard_error_pp": 100 * error, "vs_others_p_value": two_sided(effect / error)}
            columns["design_effect"] = comparison.design_effect
        won, count = (np.bincount(codes, values, size) for values in (found.deals.won, found.deals.count))
        for number, level in enumerate(factor.levels):
            rows.append(
                dict.fromkeys([*TEXTS, *COUNTS])
                | dict.fromkeys(FLAGS, False)
                | {name: float(values[number]) for name, values in columns.items()}
                | {"factor": factor.name, "level": level, "reference_level": factor.levels[0], "is_reference": number == 0}
                | {"pooled_levels": ", ".join(factor.pooled) if level == RARE and factor.pooled else None}
                | {"closed_deal_count": int(count[number]), "won_deal_count": int(won[number])}
                | {"fit_deal_count": int(found.deals.count.sum())}
                | {"is_separated": won[number] in (0, count[number]), "is_penalised": bool(found.fit and found.fit.is_penalised)}
                | {"half_year_count": 0, "verdict": found.verdict, "missing_reason": found.missing_reason}
            )
    return rows


def missing_reason(row: Mapping, levels: int, accounts: float, min_accounts: float) -> tuple[str, str] | None:
    """Why a level isn't judged, and what its verdict is then."""
    reasons = {
        ("the factor has one level only", "not_computable"): levels == 1,
        ("rare levels stand together", "insufficient_n"): row["level"] == RARE,
        ("too few accounts", "insufficient_n"): accounts < min_accounts,
        ("can't be told apart from other factors", "not_computable"): not np.isfinite(row["vs_others_p_value"]),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def judge_levels(rows: list[dict], comparison: Comparison, level: float) -> None:
    """Verdicts of a factor's levels, with the intervals that go with them: writes into `rows`."""
    names = [row["level"] for row in rows]
    is_judged = np.array([row["missing_reason"] is None for row in rows])
    effect, error, p_value = (
        np.array([row[name] for row in rows]) for name in ("vs_others_pp", "vs_others_standard_error_pp", "vs_others_p_value")
    )
    found = correct(np.where(is_judged, p_value, np.nan), level, two_are_one=len(rows) == 2)
    quantile = float(ndtri(1 - found.each_level / 2))
    intervals = effect_figures(effect / 100, error / 100, quantile, "vs_others")
    shrunk = shrink_differences(effect, error, intervals["vs_others_lower_pp"], intervals["vs_others_upper_pp"])
    for number, row in enumerate(rows):
        if not is_judged[number]:
            row |= dict.fromkeys(COMPARED, np.nan)
            continue
        others = [name for at, name in enumerate(names) if comparison.others[at] and at != number]
        row |= {name: float(values[number]) for name, values in intervals.items()}
        row |= {
            "other_levels": ", ".join(others),
            "other_level_count": len(others),
            "vs_others_confidence_level": 1 - found.each_level,
            "shrunk_vs_others_pp": float(shrunk[number]),
            "detectable_difference_pp": float((quantile + ndtri(POWER)) * error[number]),
            "adjusted_p_value": float(found.adjusted[number]),
            "p_value_threshold": level,
            "verdict": "signal" if p_value[number] <= found.each_level else "no_signal",
        }


def judge(found: Estimate, by_account: ByAccount, settings: Settings) -> tuple[list[dict], list[Comparison]]:
    """Rows of the fit of all deals, with tests and verdicts, and what levels were compared with."""
    if not found.fit:
        return level_rows(found, [], settings), []
    deals, fit, design = found.deals, found.fit, found.deals.design()
    tests = [likelihood_ratio(design, deals.won, deals.count, fit, deals.columns(position)) for position in range(len(deals.factors))]
    judged = [position for position, test in enumerate(tests) if np.isfinite(test[2])]
    level = settings.fdr_level / max(len(judged), 1)
    comparisons = compare(found, by_account, level, settings)
    rows = level_rows(found, comparisons, settings)
    joint = likelihood_ratio(design, deals.won, deals.count, fit, np.arange(1, design.shape[1]))
    q_values = dict(zip(judged, benjamini_hochberg([tests[position][2] for position in judged]), strict=True))
    for position, factor in enumerate(deals.factors):
        members = [row for row in rows if row["factor"] == factor.name]
        for row, accounts in zip(members, comparisons[position].account_count, strict=True):
            row |= dict(zip(("fit_chi2", "fit_degrees_of_freedom", "fit_p_value"), joint, strict=True))
            row |= dict(zip(("factor_chi2", "factor_degrees_of_freedom", "factor_p_value"), tests[position], strict=True))
            if position in q_values:
                row |= {"factor_q_value": float(q_values[position]), "judged_factor_count": len(judged)}
            if reason := missing_reason(row, len(members), accounts, settings.min_accounts):
                row |= dict(zip(("missing_reason", "verdict"), reason, strict=True))
        judge_levels(members, comparisons[position], level)
    return rows, comparisons


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
            other["verdict"] = None


def analyse(deals: Deals, half_year: Array | None, by_account: ByAccount, settings: Settings) -> list[dict]:
    """All rows of one fit. `half_year`: of each cell the complete half-year it was closed in (None in an incomplete one), or None."""
    rows, comparisons = judge(estimate(deals.where(np.ones(len(deals.count), bool)), settings), by_account, settings)
    rows = [row | {"half_year_start_date": None} for row in rows]
    if half_year is None:
        add_stability(rows, None, settings)
        return rows
    half_years = {}
    for start in sorted({each for each in half_year if each is not None}):
        found = estimate(deals.where(half_year == start), settings)
        if found.fit and comparisons:
            members = [row for row in level_rows(found, comparisons, settings) if row["closed_deal_count"] >= settings.min_level_deals]
            half_years[start] = [row | {"half_year_start_date": start} for row in members]
    add_stability(rows, half_years, settings)
    return [*rows, *(row for members in half_years.values() for row in members)]


def read_accounts(relation) -> ByAccount:
    """Sums over accounts, by factor and level."""
    names = [each.name for each in fields(LevelAccounts)]
    found: dict[str, dict[str, LevelAccounts]] = {}
    for row in read_rows(relation, ["factor", "level", *names], ["factor", "level"]):
        found.setdefault(row["factor"], {})[row["level"]] = LevelAccounts(*(float(row[name]) for name in names))
    return found


def model(dbt, session):
    dbt.config(materialized="table")
    level = dbt.ref("int_verdict_level").project("fdr_level").fetchone()[0]
    settings = Settings(**dbt.config.meta_get("settings"), fdr_level=level)
    cells, by_account, rows = dbt.ref("int_driver_cells"), read_accounts(dbt.ref("int_driver_accounts")), []
    for is_after, names in ((False, settings.all_factors), (True, [*settings.all_factors, "cycle_band"])):
        columns = cells.filter("is_known_only_after_close" if is_after else "not is_known_only_after_close").fetchnumpy()
        deals = group_within_reach(
            {name: columns[name] for name in names}, columns["won_deal_count"], columns["closed_deal_count"], settings
        )
        complete = None if is_after else np.where(columns["is_complete_half_year"], columns["half_year_start_date"].astype(object), None)
        rows += [row | {"is_known_only_after_close": is_after} for row in analyse(deals, complete, by_account, settings)]
    return from_rows(rows, {bool: FLAGS, datetime.date: ("half_year_start_date",), str: TEXTS, int: COUNTS, float: FIGURES})
