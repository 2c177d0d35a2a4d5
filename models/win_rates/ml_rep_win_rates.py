"""One row per sales rep with a closed deal: does the rep win more or less of the same deals than the reps who look alike, or is it chance?

Reps are compared inside the region in which their deals lie, because a rep's part and the region's can't be told apart across regions. Where
reps sell in several regions they are one group, and the region is a factor of the deals like any other.

Wins are compared with those expected by a logistic regression of won on the factors of the closed deals (segments, size, when they were
created) and the group, without the reps. Deals of young cohorts, of which only the quick ones have closed, are compared within their month.
The rep's residual r = won - expected has variance V = W - S I^-1 S', the fit's own uncertainty taken off (W: sum of p (1 - p) over the deals;
I: Fisher information; S: the rep's share in it). z = r / sqrt(V) is the score test of an effect of the rep. The difference of win rates is
r / V x the mean p (1 - p) of the deals compared, and its interval is the test's own: it leaves 0 out exactly where the verdict is `signal`.
Without factors the difference is that of the plain rates, and z the pooled z test.

Inside a group, as long as more than two are left, the rep who stands out most leaves, with all of that rep's deals: those who stay look
alike. Then each rep is tested once, against those who look alike without that rep, all at the level of the group: the build's over the number
of groups. Two reps are one contrast, and nobody can know which of them is unusual.

Deals of one account are alike, so the deals of a rep count as many as they are worth (`inference.clusters`), in the fit too.

Simulated: `python -m tools simulate reps`, docs/evidence.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from inference.clusters import Accounts, design_effect, within_account_correlation
from inference.intervals import Proportion, normal_quantile, wilson
from inference.logistic import one_hot, predict_rates
from inference.multiplicity import correct, reference_set, shrink_differences
from inference.significance import two_sided
from inference.tables import from_rows, listed, read_columns

RARE, NOT_JUDGED, EVERYONE = "(rare)", "(not judged)", "all"
NESTED_SHARE = 0.9  # of all closed deals that lie in their rep's main region, from which on regions are groups
POWER = 0.8
ACCOUNTS = ("sales_rep_id", "region", "closed_deal_count", "won_deal_count", "account_count")
CELL_COUNTS = ("closed_deal_count", "won_deal_count")
COUNTS = (
    *CELL_COUNTS,
    "account_count",
    "judged_rep_count",
    "reference_rep_count",
    "reference_deal_count",
    "reference_won_deal_count",
)
DIFFERENCES = ("vs_reference_difference", "vs_reference_lower", "vs_reference_upper", "shrunk_vs_reference_difference")
COMPARED = (
    "expected_won_deal_count", "risk_adjusted_win_rate", "reference_win_rate", *DIFFERENCES, "vs_reference_confidence_level",
    "detectable_difference", "z_score", "p_value", "adjusted_p_value", "p_value_threshold",
)  # fmt: skip
FIGURES = ("win_rate_lower", "win_rate_upper", "design_effect", *COMPARED)
INSEPARABLE = {"verdict": "not_computable", "missing_reason": "can't be told apart from the factors of the deals"}
TEXTS = ("rep_group", "reference_reps", "verdict", "missing_reason")
Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    min_deals: float
    min_accounts: float
    min_expected_deals: float  # won, and lost, that a judged rep is worth at the group's rate
    min_level_deals: float
    confidence_level: float


@dataclass(frozen=True)
class Reps:
    """Closed deals of the reps, in the order of their names.

    Attributes
    ----------
    names, group : ndarray of str
    won, count : ndarray of float
    account_count : ndarray of float
    effect : ndarray of float
        Design effect: how many deals are worth one independent deal.
    """

    names: Array
    group: Array
    won: Array
    count: Array
    account_count: Array
    effect: Array


@dataclass(frozen=True)
class Deals:
    """Closed deals, as many as they are worth, by rep and by cell, a combination of the levels of their factors."""

    design: object  # csr_array (cells, p): a column of ones, then one of each level but the first of its factor
    won: object  # csr_array (reps, cells)
    count: object


@dataclass(frozen=True)
class Comparison:
    """Reps against what the fit of the deals of some of them expects, none of whom has an effect in it.

    Attributes
    ----------
    residual : ndarray of float, shape (reps,)
        Won - expected wins.
    variance : ndarray of float, shape (reps,)
        Of that; NaN where a rep can't be told apart from the factors, or isn't in the fit.
    spread : ndarray of float, shape (reps,)
        Sum of p (1 - p) over the deals.
    """

    residual: Array
    variance: Array
    spread: Array

    @property
    def z(self) -> Array:
        return self.residual / np.sqrt(self.variance)


# Who the reps are


def summarise(accounts: dict[str, Sequence]) -> Reps:
    """Reps by ACCOUNTS, which hold at least one row."""
    names, rep = np.unique(np.asarray(accounts["sales_rep_id"], object).astype(str), return_inverse=True)
    size, won, times = (np.asarray(accounts[name], float) for name in ACCOUNTS[2:])

    def total(values: Array) -> Array:
        return np.bincount(rep, values * times, len(names))

    count, wins = total(size), total(won)
    rate = wins / count
    clusters = Accounts(
        account_count=times.sum(),
        deal_count=count.sum(),
        squared_deal_count=float(np.sum(size**2 * times)),
        between=float(np.sum((won - rate[rep] * size) ** 2 / size * times)),
        total=float(np.sum(count * rate * (1 - rate))),
    )
    effect = design_effect(within_account_correlation(clusters), count, total(size**2))
    return Reps(names, groups(accounts["region"], rep, size * times), wins, count, total(np.ones(len(size))), effect)


def groups(region: Sequence[str], rep: Array, count: Array) -> Array:
    """Group of each rep: the region of most of the rep's deals, where almost all deals lie in their rep's; else all reps are one."""
    regions, place = np.unique(np.asarray(region, object).astype(str), return_inverse=True)
    table = np.zeros((rep.max() + 1, len(regions)))
    np.add.at(table, (rep, place), count)
    main = table.argmax(axis=1)
    is_nested = len(np.unique(main)) > 1 and table.max(axis=1).sum() >= NESTED_SHARE * table.sum()
    return regions[main] if is_nested else np.full(len(table), EVERYONE)


def why_not_judged(reps: Reps, settings: Settings) -> Array:
    """Reason of each rep with too little to be judged, None of the others."""
    rate = np.array([reps.won[reps.group == each].sum() / reps.count[reps.group == each].sum() for each in reps.group])
    least = reps.count / reps.effect * np.minimum(rate, 1 - rate)
    return np.select(
        [reps.count < settings.min_deals, reps.account_count < settings.min_accounts, least < settings.min_expected_deals],
        ["too few closed deals", "too few accounts", "too few won or lost deals to expect"],
        None,
    )


def collect(reps: Reps, group: Array, cells: dict[str, Array], min_level_deals: float) -> Deals:
    """The deals by their factors and the `group` of their rep. Levels with fewer than `min_level_deals` deals stand together."""
    import pandas as pd
    from scipy.sparse import coo_array, diags_array

    rep = np.searchsorted(reps.names, np.asarray(cells["sales_rep_id"], object).astype(str))
    won, count = (np.asarray(cells[name], float) for name in ("won_deal_count", "closed_deal_count"))
    factors = {name: texts for name, texts in cells.items() if name not in ("sales_rep_id", *CELL_COUNTS)}
    cell, columns, width = np.zeros(len(count), np.int64), [np.zeros(len(count), np.int64)], 1
    for name, texts in {**factors, "": group[rep]}.items():
        code, levels = pd.factorize(np.asarray(texts, object), sort=True)
        is_rare = (np.bincount(code, count, len(levels)) < min_level_deals) & (name != "")
        level = np.unique(np.where(is_rare, RARE, levels).astype(str), return_inverse=True)[1][code]
        columns.append(np.where(level > 0, width + level - 1, -1))
        width += int(level.max(initial=0))
        cell = np.unique(cell * (level.max(initial=0) + 1) + level, return_inverse=True)[1]
    table = np.column_stack(columns)[np.unique(cell, return_index=True)[1]]
    shape = (len(reps.names), len(table))
    whole = (coo_array((each, (rep, cell)), shape=shape).tocsr() for each in (won, count))
    return Deals(one_hot(table, width), *(diags_array(1 / reps.effect).tocsr() @ each for each in whole))


# The comparison


def compare(deals: Deals, is_in: Array) -> Comparison:
    """Reps against the fit of the deals of those that are `is_in`."""
    from scipy.sparse import diags_array

    rows = np.flatnonzero(is_in)
    rate, inverse = predict_rates(deals.design, *(np.asarray(each[rows].sum(axis=0)).ravel() for each in (deals.won, deals.count)))
    spread = rate * (1 - rate)
    binomial, share = deals.count @ spread, (deals.count @ diags_array(spread) @ deals.design).toarray()
    variance = binomial - np.sum((share @ inverse) * share, axis=1)
    variance = np.where(is_in & (variance > 1e-9 * binomial), variance, np.nan)
    return Comparison(np.asarray(deals.won.sum(axis=1)).ravel() - deals.count @ rate, variance, binomial)


def fits(deals: Deals) -> Callable[[Array], Comparison]:
    """`compare`, that makes no fit twice."""
    made: dict[bytes, Comparison] = {}

    def fit(is_in: Array) -> Comparison:
        key = is_in.tobytes()
        if key not in made:
            made[key] = compare(deals, is_in)
        return made[key]

    return fit


def judge_group(reps: Reps, judged: Array, fit: Callable[[Array], Comparison], level: float) -> dict[int, dict]:
    """Figures and verdict of each of the `judged` reps of one group; all other reps' deals stay in every fit."""
    members = np.flatnonzero(judged)

    def score(active: Array) -> Array:
        is_in = ~judged
        is_in[members[active]] = True
        return fit(is_in).z[members]

    alike = members[reference_set(score, len(members), level)]
    worth = reps.count / reps.effect
    columns = {name: np.full(len(members), np.nan) for name in (*COMPARED, "error")}
    for position, rep in enumerate(members):
        compared = np.union1d(alike, rep)
        is_in = ~judged
        is_in[compared] = True
        found = fit(is_in)
        effect, spread = found.residual[rep] / found.variance[rep], found.spread[compared].sum() / worth[compared].sum()
        difference, share = effect * spread, worth[rep] / worth[compared].sum()
        rate = np.sum(reps.won[compared] / reps.effect[compared]) / worth[compared].sum()
        of_rep = {
            "vs_reference_difference": difference, "error": spread / np.sqrt(found.variance[rep]), "z_score": found.z[rep],
            "risk_adjusted_win_rate": rate + difference * (1 - share), "reference_win_rate": rate - difference * share,
            "expected_won_deal_count": np.clip(reps.won[rep] - effect * found.spread[rep] * reps.effect[rep], 0, reps.count[rep]),
        }  # fmt: skip
        for name, value in of_rep.items():
            columns[name][position] = value
    return state(reps, members, alike, columns, level)


def state(reps: Reps, members: Array, alike: Array, columns: dict[str, Array], level: float) -> dict[int, dict]:
    """Verdicts, intervals at their level, and whom each member is compared with."""
    difference, error = columns["vs_reference_difference"], columns["error"]
    p_value = two_sided(columns["z_score"])
    correction = correct(p_value, level)
    quantile = normal_quantile(1 - correction.each_level)
    lower, upper = difference - quantile * error, difference + quantile * error
    columns |= {
        "p_value": p_value, "adjusted_p_value": correction.adjusted, "vs_reference_lower": lower, "vs_reference_upper": upper,
        "shrunk_vs_reference_difference": shrink_differences(difference, error, lower, upper),
        "detectable_difference": (quantile + ndtri(POWER)) * error,
        "vs_reference_confidence_level": np.full(len(members), 1 - correction.each_level),
        "p_value_threshold": np.full(len(members), level),
    }  # fmt: skip
    columns["detectable_difference"][columns["detectable_difference"] > 1] = np.nan
    for name in DIFFERENCES:
        columns[name] = np.clip(columns[name], -1, 1)
    for name in ("risk_adjusted_win_rate", "reference_win_rate"):
        columns[name] = np.clip(columns[name], 0, 1)
    rows = {}
    for position, rep in enumerate(members):
        others = alike[alike != rep]
        if np.isnan(p_value[position]):
            rows[int(rep)] = INSEPARABLE
            continue
        rows[int(rep)] = {name: columns[name][position].item() for name in COMPARED} | {
            "judged_rep_count": len(members),
            "is_in_reference": bool(rep in alike),
            "reference_reps": listed(reps.names[others]),
            "reference_rep_count": len(others),
            "reference_deal_count": int(reps.count[others].sum()),
            "reference_won_deal_count": int(reps.won[others].sum()),
            "verdict": "signal" if p_value[position] <= correction.each_level else "no_signal",
        }
    return rows


def judge(cells: dict[str, Array], accounts: dict[str, Sequence], settings: Settings, level: float) -> list[dict]:
    """A row per rep: `cells` are the columns of int_rep_cells, `accounts` those of int_rep_accounts, of the same deals."""
    reps = summarise(accounts)
    lower, upper = wilson(Proportion(reps.won, reps.count), normal_quantile(settings.confidence_level))
    rows = [
        {"sales_rep_id": str(reps.names[rep]), "rep_group": str(reps.group[rep]), "closed_deal_count": int(reps.count[rep])}
        | {"won_deal_count": int(reps.won[rep]), "account_count": int(reps.account_count[rep]), "design_effect": float(reps.effect[rep])}
        | {"win_rate_lower": float(lower[rep]), "win_rate_upper": float(upper[rep])}
        for rep in range(len(reps.names))
    ]
    for row, found in zip(rows, verdicts(reps, cells, settings, level), strict=True):
        row |= found
    return rows


def verdicts(reps: Reps, cells: dict[str, Array], settings: Settings, level: float) -> list[dict]:
    """What is found of each rep."""
    if reps.won.sum() in (0, reps.count.sum()):
        return [{"verdict": "not_computable", "missing_reason": f"no deal was {'lost' if reps.won.sum() else 'won'}"}] * len(reps.names)
    reasons = why_not_judged(reps, settings)
    found = [{"verdict": "insufficient_n", "missing_reason": reason} for reason in reasons]
    is_enough = np.equal(reasons, None)
    fit = fits(collect(reps, np.where(is_enough, reps.group, NOT_JUDGED), cells, settings.min_level_deals))
    is_separable = np.isfinite(fit(np.ones(len(reps.names), bool)).z)
    judged = is_enough & is_separable
    members = {each: judged & (reps.group == each) for each in np.unique(reps.group[judged])}
    for each in [each for each, mask in members.items() if mask.sum() == 1]:
        judged &= ~members.pop(each)
    for rep in np.flatnonzero(is_enough & ~judged):
        is_alone = np.sum(is_enough & (reps.group == reps.group[rep])) == 1
        found[rep] = alone(reps.group[rep]) if is_alone or is_separable[rep] else INSEPARABLE
    for mask in members.values():
        for rep, row in judge_group(reps, mask, fit, level / len(members)).items():
            found[rep] = row
    return found


def alone(group: str) -> dict[str, str]:
    """Of a rep with nobody to be compared with."""
    where = "" if group == EVERYONE else " in the region, so it can't be told from the region"
    return {"verdict": "not_computable", "missing_reason": f"there is no other rep with enough deals{where}"}


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings(**dbt.config.meta_get("settings"))
    [(level,)] = dbt.ref("int_verdict_level").project("fdr_level").fetchall()
    accounts = read_columns(dbt.ref("int_rep_accounts"), ACCOUNTS, ACCOUNTS[:4])
    rows = judge(dbt.ref("int_rep_cells").fetchnumpy(), accounts, settings, level) if accounts["sales_rep_id"] else []
    return from_rows(rows, {str: ("sales_rep_id", *TEXTS), int: COUNTS, float: FIGURES, bool: ("is_in_reference",)})
