"""Rates of months in a row: a line through them, with a season that comes back every year, and how far they lie from it."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
SEASON_MONTHS = 18  # from as many months on a season can be told from a trend
DISPERSION_MONTHS = 12  # fewer say nothing of how months differ beyond chance


def annual_terms(month: Array) -> Array:
    """Cosine and sine of a year.

    Parameters
    ----------
    month : ndarray of float, shape (n,)
        Months from any one on.

    Returns
    -------
    ndarray of float, shape (n, 2)

    Examples
    --------
    >>> annual_terms(np.array([0, 3, 6])).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    """
    angle = 2 * np.pi * np.asarray(month, float) / 12
    return np.column_stack([np.cos(angle), np.sin(angle)])


@dataclass(frozen=True)
class Fit:
    """Weighted least squares.

    Attributes
    ----------
    coefficients : ndarray of float, shape (k,)
    errors : ndarray of float, shape (k,)
        Standard errors if the weights are all there is, before the dispersion.
    dispersion : float
        How many times more the values vary about the fit than their weights say, at least 1.
    freedom : int
        Values less terms.
    """

    coefficients: Array
    errors: Array
    dispersion: float
    freedom: int


def weighted_fit(value: Array, weight: Array, terms: Array) -> Fit | None:
    """Values as a sum of terms.

    Parameters
    ----------
    value, weight : ndarray of float, shape (n,)
        `weight` is 1 / the variance that chance gives to a value.
    terms : ndarray of float, shape (n, k)

    Returns
    -------
    Fit or None
        None where the terms can't be told apart, or no value is left beyond them.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, 2nd ed., 4.5 (dispersion).

    Examples
    --------
    >>> line = np.column_stack([np.ones(4), np.arange(4)])
    >>> fit = weighted_fit(np.array([1.0, 3.0, 5.0, 8.0]), np.ones(4), line)
    >>> fit.coefficients.round(3).tolist(), fit.dispersion, fit.freedom
    ([0.8, 2.3], 1.0, 2)
    """
    size, number = terms.shape
    root = np.sqrt(weight)[:, None]
    left, spread, right = np.linalg.svd(terms * root, full_matrices=False)
    if size <= number or spread[-1] <= spread[0] * 1e-9:
        return None
    inverse = right.T / spread
    coefficients = inverse @ (left.T @ (value * root[:, 0]))
    chi2 = float(np.sum(weight * (value - terms @ coefficients) ** 2))
    return Fit(coefficients, np.sqrt((inverse**2).sum(1)), max(1.0, chi2 / (size - number)), size - number)


def months_dispersion(month: Array, won: Array, count: Array, is_newer: Array) -> float:
    """How many times more the win rates of months vary than sampling makes them, about a line, a season, and a step at the newer ones.

    Parameters
    ----------
    month : ndarray of float, shape (n,)
        Months from any one on.
    won, count : ndarray of float, shape (n,)
        Won and closed deals of each month, `count` above 0.
    is_newer : ndarray of bool, shape (n,)
        Those whose change is in question, which must not count as variation.

    Returns
    -------
    float
        At least 1; 1 with fewer than `DISPERSION_MONTHS` months.

    Examples
    --------
    >>> month, count = np.arange(24.0), np.full(24, 100.0)
    >>> won = 40 + 20 * (month % 2)
    >>> round(months_dispersion(month, won, count, month > 17), 2)
    4.99
    """
    rate = won.sum() / count.sum() if len(count) else 0.0
    if len(month) < DISPERSION_MONTHS or not 0 < rate < 1:
        return 1.0
    centred = month - month.mean()
    terms = np.column_stack([np.ones(len(month)), centred, annual_terms(month), is_newer.astype(float)])
    fit = weighted_fit(won / count, count / (rate * (1 - rate)), terms)
    return fit.dispersion if fit else 1.0
