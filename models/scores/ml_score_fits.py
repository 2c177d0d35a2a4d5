"""One row is one term of one fit, in log odds: the contribution of a factor's value, or, where `factor` is null, the average deal.

Fits: `fold 1`, `fold 2`, ... are what was known on a past date (`trained_until_date`), `final` is what is known now. Each holds three
methods: `base` (the share of deals won), `table` (shares won by the values of the first of `table_factors`, inside each by those of the
second, and so on, each shrunk to the one around it with `prior_deals`) and `model`, a ridge logistic regression on all factors. All
are sums: the average + the contribution of each factor's value, whose mean over the training observations is 0. A value without a row
contributes 0. So a table is scored and explained as a model is.

A fit knows the deals that had closed by its date and were created longer before it than deals live (`maturity_days` of the last
forecast date by then). A fold is tested on deals created after its date, up to the date of the next fold: no deal is on both sides of
a fold, and none is tested twice. The first date is the earliest by which `first_training_share` of the deals, and at least `min_deals`,
can train; the later deals are cut into `folds` of equal size, of at least `min_deals` each, or there are no folds.

Every deal weighs 1, whatever the number of its observations. The penalty is the one that predicts held-out deals best, in groups by a
hash of their id, inside the training part alone. What a fit without a group would be comes from one Newton step off the fit with it.
Values seen in fewer than `min_level_deals` deals, and all but the `max_levels` most frequent of a factor, get no coefficient.
"""

import datetime
from dataclasses import dataclass

import numpy as np

from inference.dimensions import with_own
from inference.logistic import logit, sigmoid
from inference.tables import from_rows

Array = np.ndarray
Term = tuple[str | None, str | None, float, float, int]  # factor, level, contribution, share of the observations, deals
DEAL_COLUMNS = ("is_won", "created_day", "closed_day", "penalty_group")


@dataclass(frozen=True)
class Observations:
    """n observations of m deals, ordered by deal."""

    deal: Array  # (n,) index of the deal
    weight: Array  # (n,) sums to 1 in each deal
    codes: dict[str, Array]  # by factor (n,) number of its level
    levels: dict[str, list[str]]
    won: Array  # (m,) 0 or 1
    created_day: Array  # (m,)
    closed_day: Array  # (m,)
    group: Array  # (m,)

    def of(self, deals: Array) -> "Observations":
        """Those of the deals chosen by a mask."""
        rows = deals[self.deal]
        return Observations(
            (np.cumsum(deals) - 1)[self.deal[rows]],
            self.weight[rows],
            {factor: codes[rows] for factor, codes in self.codes.items()},
            self.levels,
            *(column[deals] for column in (self.won, self.created_day, self.closed_day, self.group)),
        )


def level_deals(data: Observations, factor: str) -> Array:
    """Deals by level."""
    seen = np.zeros((len(data.won), len(data.levels[factor])), bool)
    seen[data.deal, data.codes[factor]] = True
    return seen.sum(axis=0)


@dataclass(frozen=True)
class Design:
    """One-hot columns, the intercept first, then those of each factor; a level without one takes the number of levels that have one."""

    codes: list[Array]
    kept: dict[str, Array]  # by factor: the level of each of its columns

    @property
    def sizes(self) -> list[int]:
        return [1, *(len(levels) for levels in self.kept.values())]

    @property
    def slices(self) -> list[slice]:
        ends = np.cumsum(self.sizes)
        return [slice(int(end) - size, int(end)) for end, size in zip(ends, self.sizes, strict=True)]


def design(data: Observations, min_level_deals: int, max_levels: int) -> Design:
    codes, kept = [np.zeros(len(data.deal), np.intp)], {}
    for factor, values in data.codes.items():
        deals = level_deals(data, factor)
        most = np.argsort(-deals, kind="stable")[:max_levels]
        levels = np.sort(most[deals[most] >= max(1, min_level_deals)])
        if (deals > 0).sum() > 1 and len(levels):
            column = np.full(len(deals), len(levels))
            column[levels] = np.arange(len(levels))
            codes.append(column[values])
            kept[factor] = levels
    return Design(codes, kept)


def log_odds(shape: Design, beta: Array, group: Array | None = None) -> Array:
    """Of each row; with `group`, `beta` has one row a group."""
    total = np.zeros(len(shape.codes[0]))
    for codes, columns in zip(shape.codes, shape.slices, strict=True):
        padded = np.concatenate([beta[..., columns], np.zeros((*beta.shape[:-1], 1))], axis=-1)
        total += padded[codes] if group is None else padded[group, codes]
    return total


def moments(shape: Design, residual: Array, curvature: Array, group: Array, groups: int) -> tuple[Array, Array]:
    """By group, gradient (groups, columns) and information (groups, columns, columns) of the log likelihood.

    Sums by pair of levels instead of a product of matrices: a row has one level of each factor, and a dozen factors a hundred columns.
    """
    slices, sizes = shape.slices, shape.sizes
    gradient = np.zeros((groups, slices[-1].stop))
    information = np.zeros((groups, slices[-1].stop, slices[-1].stop))
    for first, columns in enumerate(slices):
        width = sizes[first] + 1
        key = group * width + shape.codes[first]
        gradient[:, columns] = np.bincount(key, residual, groups * width).reshape(groups, width)[:, :-1]
        diagonal = np.arange(columns.start, columns.stop)
        information[:, diagonal, diagonal] = np.bincount(key, curvature, groups * width).reshape(groups, width)[:, :-1]
        for second in range(first + 1, len(slices)):
            other = sizes[second] + 1
            sums = np.bincount(key * other + shape.codes[second], curvature, groups * width * other).reshape(groups, width, other)
            information[:, columns, slices[second]] = sums[:, :-1, :-1]
            information[:, slices[second], columns] = sums[:, :-1, :-1].transpose(0, 2, 1)
    return gradient, information


@dataclass(frozen=True)
class Fit:
    shape: Design
    beta: Array
    penalty: float
    losses: dict[float, float]  # by penalty: log loss of a held-out deal


def ridge(data: Observations, penalties: list[float], groups: int, min_level_deals: int, max_levels: int) -> Fit:
    """Minimises the sum of the deals' log losses + penalty / 2 x the sum of squared coefficients without the intercept, by Newton."""
    shape = design(data, min_level_deals, max_levels)
    won, group = data.won[data.deal].astype(float), data.group[data.deal]
    beta = np.zeros(shape.slices[-1].stop)
    beta[0] = logit(data.won.mean())
    free = (np.arange(len(beta)) > 0).astype(float)  # of the intercept there is no penalty

    def at(beta: Array) -> tuple[Array, Array]:
        chance = sigmoid(log_odds(shape, beta))
        return moments(shape, data.weight * (won - chance), data.weight * chance * (1 - chance), group, groups)

    def penalised(gradient: Array, information: Array, beta: Array, penalty: float) -> tuple[Array, Array]:
        return gradient.sum(axis=0) - penalty * free * beta, information.sum(axis=0) + np.diag(penalty * free)

    # From strong to weak, each from the one before it, until two in a row predict worse.
    losses, found, so_far, last, rises = {}, {}, at(beta), np.inf, 0
    for penalty in sorted(penalties, reverse=True):
        slope, bend = penalised(*so_far, beta, penalty)
        beta = beta + np.linalg.solve(bend, slope)
        gradient, information = so_far = at(beta)
        slope, bend = penalised(*so_far, beta, penalty)
        without = beta + np.linalg.solve(bend - information, (slope - gradient)[:, :, None])[:, :, 0]
        held_out = log_odds(shape, without, group)
        losses[penalty] = float(data.weight @ (np.logaddexp(0, held_out) - won * held_out) / len(data.won))
        found[penalty] = beta
        rises, last = (rises + 1 if losses[penalty] > last else 0), losses[penalty]
        if rises == 2:
            break
    best = min(losses, key=lambda penalty: (round(losses[penalty], 9), -penalty))
    beta = found[best]
    for _ in range(30):
        slope, bend = penalised(*at(beta), beta, best)
        step = np.linalg.solve(bend, slope)
        beta = beta + step
        if np.abs(step).max() < 1e-5:  # Newton's next step would be about its square
            break
    return Fit(shape, beta, best, losses)


def model_terms(data: Observations, fit: Fit) -> list[Term]:
    terms, average = [], float(fit.beta[0])
    for (factor, kept), columns, codes in zip(fit.shape.kept.items(), fit.shape.slices[1:], fit.shape.codes[1:], strict=True):
        share = np.bincount(codes, data.weight, len(kept) + 1)[:-1] / len(data.won)
        mean = float(share @ fit.beta[columns])
        average += mean
        deals = level_deals(data, factor)[kept]
        names = [data.levels[factor][level] for level in kept]
        terms += [(factor, *term) for term in zip(names, (fit.beta[columns] - mean).tolist(), share.tolist(), deals.tolist(), strict=True)]
    return [(None, None, average, 1.0, len(data.won)), *terms]


def table_terms(data: Observations, factors: list[str], prior_deals: float) -> list[Term]:
    """Each factor's share won inside the values of those before it, as the difference of its log odds from the ones around it."""
    won = data.won[data.deal].astype(float)
    terms, average = [], logit(data.won.mean())
    around, cell, names = np.full(len(won), data.won.mean()), np.zeros(len(won), np.intp), [""]
    for depth, factor in enumerate(factors):
        cells, first, inside = np.unique(cell * len(data.levels[factor]) + data.codes[factor], return_index=True, return_inverse=True)
        weight, prior = np.bincount(inside, data.weight), prior_deals * around[first]
        rate = (np.bincount(inside, data.weight * won) + prior) / (weight + prior_deals)
        difference, share = logit(rate) - logit(around[first]), weight / len(data.won)
        mean = float(share @ difference)
        average += mean
        names = [
            " | ".join(filter(None, (names[at // len(data.levels[factor])], data.levels[factor][at % len(data.levels[factor])])))
            for at in cells
        ]
        deals = np.bincount(np.unique(np.stack([data.deal, inside]), axis=1)[1], minlength=len(cells))
        name = " x ".join(factors[: depth + 1])
        terms += [(name, *term) for term in zip(names, (difference - mean).tolist(), share.tolist(), deals.tolist(), strict=True)]
        around, cell = rate[inside], inside
    return [(None, None, float(average), 1.0, len(data.won)), *terms]


def rolling_dates(
    created_day: Array, closed_day: Array, maturity: list[tuple[int, int]], folds: int, first_training_share: float, min_deals: int
) -> list[tuple[int, int]]:
    """Last day of training and last day of creation of the tested deals, by fold. `maturity`: (forecast day, maturity days)."""
    needed = max(min_deals, first_training_share * len(created_day))
    first = next((day for day, days in maturity if (trains(created_day, closed_day, day, [(day, days)])).sum() >= needed), None)
    later = np.sort(created_day[created_day > first]) if first is not None else np.array([])
    if len(later) < folds * min_deals or not len(later):
        return []
    ends = np.unique([int(later[len(later) * fold // folds - 1]) for fold in range(1, folds + 1)])
    return list(zip([first, *ends[:-1].tolist()], ends.tolist(), strict=True)) if len(ends) == folds else []


def trains(created_day: Array, closed_day: Array, day: int, maturity: list[tuple[int, int]]) -> Array:
    """Is a deal's outcome known on `day`, and would it have been at any length that deals have? `maturity`: ascending."""
    days = [days for forecast_day, days in maturity if forecast_day <= day][-1]
    return (closed_day <= day) & (created_day + days < day)


def fit_all(data: Observations, dates: list[tuple[int, int]], maturity: list[tuple[int, int]], settings: dict) -> list[tuple]:
    """(fit, last day of training, last day tested, method, penalty, deals, *term) of every term; a side with one outcome alone has no fit."""
    parts = [
        (f"fold {number}", day, until, data.of(trains(data.created_day, data.closed_day, day, maturity)))
        for number, (day, until) in enumerate(dates, 1)
    ]
    rows = []
    for name, day, until, part in [*parts, ("final", None, None, data)]:
        if 0 < part.won.sum() < len(part.won):
            fit = ridge(part, settings["penalties"], settings["penalty_groups"], settings["min_level_deals"], settings["max_levels"])
            methods = {
                "base": [(None, None, float(logit(part.won.mean())), 1.0, len(part.won))],
                "table": table_terms(part, settings["table_factors"], settings["prior_deals"]),
                "model": model_terms(part, fit),
            }
            for method, terms in methods.items():
                penalty = fit.penalty if method == "model" else None
                rows += [(name, day, until, method, penalty, len(part.won), *term) for term in terms]
    return rows


def read_observations(table, factors: list[str]) -> Observations:
    """From an Arrow table of deal_id, the factors, and DEAL_COLUMNS, ordered by deal."""
    codes, levels = {}, {}
    for factor in factors:
        column = table[factor].combine_chunks().dictionary_encode()
        codes[factor], levels[factor] = column.indices.to_numpy().astype(np.intp), column.dictionary.to_pylist()
    deal_ids = table["deal_id"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.intp)
    first = np.unique(deal_ids, return_index=True)[1]
    columns = [table[name].to_numpy()[first].astype(np.int64) for name in DEAL_COLUMNS]
    return Observations(deal_ids, 1 / np.bincount(deal_ids)[deal_ids] if len(first) else np.zeros(0), codes, levels, *columns)


def model(dbt, session):
    settings = dbt.config.meta_get("settings")
    factors = with_own([each["factor"] for each in settings["factors"]], settings["own_dimensions"], ["creation", "changes"])
    epoch = "date '1970-01-01'"
    table = (
        dbt.ref("int_score_observations")
        .filter("purpose = 'training'")
        .order("deal_id, observation_date")
        .project(
            f"deal_id, {', '.join(factors)}, is_won, created_date - {epoch} as created_day, closed_date - {epoch} as closed_day, penalty_group"
        )
        .to_arrow_table()
    )
    maturity = (
        dbt.ref("int_cohort_maturity")
        .filter("maturity_days is not null")
        .project(f"forecast_date - {epoch} as day, maturity_days")
        .distinct()
        .order("day")
        .fetchall()
    )
    data = read_observations(table, factors)
    dates = rolling_dates(
        data.created_day, data.closed_day, maturity, settings["folds"], settings["first_training_share"], settings["min_deals"]
    )
    columns = ("fit", "trained_until_date", "tested_until_date", "method", "penalty", "training_deal_count")
    columns += ("factor", "level", "contribution", "level_share", "level_deal_count")
    rows = [dict(zip(columns, row, strict=True)) for row in fit_all(data, dates, maturity, settings)]
    types = {
        str: ("fit", "method", "factor", "level"),
        datetime.date: ("trained_until_date", "tested_until_date"),
        float: ("penalty", "contribution", "level_share"),
        int: ("training_deal_count", "level_deal_count"),
    }
    return from_rows(rows, types)
