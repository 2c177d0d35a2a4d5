"""Two crossed factors: what each by itself leads to expect of their combinations."""

from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion, ratio
from inference.logistic import WIDEST_LOGIT, deviance, settle, sigmoid

Array = np.ndarray


@dataclass(frozen=True)
class MainEffects:
    """Cells of two crossed factors under logit P(won) = first effect + second effect.

    Attributes
    ----------
    expected_rate : ndarray of float, shape (cells,)
        NaN where a cell without deals lies in no row or column that has some, or in different parts of the table.
    worth : ndarray of float, shape (cells,)
        Deals that `expected_rate` is as sure as: r (1 - r) / its variance. What a cell adds to that itself are its own deals, so what the
        other cells say of it is worth `worth` - its deals; NaN where they say nothing.
    degrees_of_freedom : int
    """

    expected_rate: Array
    worth: Array
    degrees_of_freedom: int

    def without_each(self, won: Array, count: Array) -> Proportion:
        """What all other cells lead to expect of each cell, as a proportion; a first-order step from the fit with the cell.

        Against it, the pooled z of a cell is the adjusted residual of the fit (Haberman 1973).
        """
        others = self.worth - count
        hits = np.clip(self.expected_rate * self.worth - won, 0, others)
        return Proportion(hits, others)


def fit_main_effects(first: Array, second: Array, won: Array, count: Array) -> MainEffects:
    """Maximum likelihood with one factor eliminated, so that the work is that of the smaller factor.

    A level that only wins or only loses has no finite effect: its cells are fitted exactly in the limit.

    Parameters
    ----------
    first, second : ndarray, shape (cells,)
        The two values of each cell, no cell twice.
    won, count : ndarray of float, shape (cells,)
        A cell may have no deals: it is expected what the others lead to.

    Returns
    -------
    MainEffects

    References
    ----------
    Haberman (1973), Biometrics 29, 205-220.

    Examples
    --------
    >>> first, second = np.array(["a", "a", "b", "b"]), np.array(["x", "y", "x", "y"])
    >>> won, count = np.array([10.0, 20.0, 20.0, 50.0]), np.full(4, 100.0)
    >>> found = fit_main_effects(first, second, won, count)
    >>> found.expected_rate.round(3), found.without_each(won, count).rate.round(3), found.degrees_of_freedom
    (array([0.08, 0.22, 0.22, 0.48]), array([0.056, 0.302, 0.302, 0.352]), 1)
    """
    first, second = (np.unique(values, return_inverse=True)[1] for values in (first, second))
    if first.max() < second.max():
        first, second = second, first
    levels, columns = first.max() + 1, second.max() + 1
    offset = np.log((won.sum() + 0.5) / (count.sum() - won.sum() + 0.5))

    def evaluate(effects: Array) -> tuple:
        logits = np.clip(offset + effects[:levels][first] + effects[levels:][second], -WIDEST_LOGIT, WIDEST_LOGIT)
        rate = sigmoid(logits)
        weight, residual = count * rate * (1 - rate), won - count * rate
        crossed = np.zeros((levels, columns))
        crossed[first, second] = weight
        diagonal = np.maximum(crossed.sum(1), 1e-300)
        scaled = crossed / diagonal[:, None]
        inverse = np.linalg.pinv(np.diag(crossed.sum(0)) - crossed.T @ scaled, rcond=1e-11, hermitian=True)
        gradient, column_gradient = np.bincount(first, residual, levels), np.bincount(second, residual, columns)
        column_step = inverse @ (column_gradient - scaled.T @ gradient)
        step = np.concatenate([(gradient - crossed @ column_step) / diagonal, column_step])
        return deviance(won, count, rate), step, rate, diagonal, scaled, inverse

    rate, diagonal, scaled, inverse = settle(evaluate, np.zeros(levels + columns), most_steps=100, longest=4.0, tolerance=1e-12)
    half = scaled @ inverse
    variance = 1 / diagonal[first] + np.sum(half * scaled, 1)[first] + inverse[second, second] - 2 * half[first, second]
    is_inside, freedom = table_parts(first, second, count > 0)
    worth = ratio(1, rate * (1 - rate) * variance)
    is_known = is_inside & (rate * (1 - rate) > 1e-9) & (worth > count * (1 + 1e-6))
    return MainEffects(np.where(is_inside, rate, np.nan), np.where(is_known, worth, np.nan), freedom)


def table_parts(first: Array, second: Array, has_deals: Array) -> tuple[Array, int]:
    """Which cells lie in one part of the table that has deals, linked by its rows and columns, and the degrees of freedom of main effects.

    Each part takes one effect less than it has rows and columns.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offset = first.max() + 1
    size = offset + second.max() + 1
    links = coo_array((np.ones(int(has_deals.sum())), (first[has_deals], second[has_deals] + offset)), shape=(size, size))
    parts, label = connected_components(links, directed=False)
    is_linked = np.zeros(size, bool)
    is_linked[first[has_deals]] = is_linked[second[has_deals] + offset] = True
    lonely = size - int(is_linked.sum())
    is_inside = is_linked[first] & is_linked[second + offset] & (label[first] == label[second + offset])
    return is_inside, int(has_deals.sum() - is_linked.sum() + parts - lonely)
