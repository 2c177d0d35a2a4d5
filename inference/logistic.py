"""Logistic regressions of grouped deals: `won` of the `count` deals of each cell are won. Plain ones are scikit-learn's.

Designs are one-hot, sparse, with a row a cell: `one_hot` makes them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

Array = np.ndarray
FARTHEST_LOGIT = 25.0  # a predicted rate this near to 0 or 1 is on its way there
WIDEST_LOGIT = 30.0  # a rate that drifts towards 0 or 1 stops here, where it still has a logarithm


def sigmoid(log_odds: Array) -> Array:
    """Probabilities of log odds.

    Examples
    --------
    >>> sigmoid(np.array([0.0, 2.0])).round(4)
    array([0.5   , 0.8808])
    """
    return 1 / (1 + np.exp(-log_odds))


def logit(rate: Array | float) -> Array | float:
    """Log odds of probabilities.

    Examples
    --------
    >>> logit(np.array([0.5, 0.8])).round(4)
    array([0.    , 1.3863])
    """
    return np.log(rate / (1 - rate))


def one_hot(columns: Array, width: int):
    """Sparse design of ones.

    Parameters
    ----------
    columns : ndarray of int, shape (cells, k)
        The columns of each cell's ones, ascending; -1 for none.
    width : int
        p, the number of columns of the design.

    Returns
    -------
    scipy.sparse.csr_array, shape (cells, p)

    Examples
    --------
    >>> one_hot(np.array([[0, 2], [0, -1]]), 3).toarray()
    array([[1., 0., 1.],
           [1., 0., 0.]])
    """
    from scipy.sparse import csr_array

    is_there = columns >= 0
    ends = np.concatenate([[0], np.cumsum(is_there.sum(axis=1))])
    return csr_array((np.ones(ends[-1]), columns[is_there], ends), shape=(len(columns), width))


def information(design, across, weight: Array) -> Array:
    """design' diag(weight) design; `design` is a csr_array of a row a cell, `across` its transpose, a csr_array too."""
    scaled = across.copy()
    scaled.data = across.data * weight[across.indices]
    return (scaled @ design).toarray()


def shortened(step: Array, longest: float) -> Array:
    """A step none of whose elements is longer than `longest`."""
    return step * min(1.0, longest / max(np.abs(step).max(), 1e-300))


# Maximum likelihood, plain or penalised


@dataclass(frozen=True)
class Fit:
    """A logistic regression. Dropped columns are combinations of the kept ones, `kept @ bridge`, and have coefficient 0.

    Attributes
    ----------
    coefficients : ndarray of float, shape (p,)
    covariance : ndarray of float, shape (p, p)
        Inverse Fisher information, 0 in dropped and fixed columns.
    gram : ndarray of float, shape (p, p)
        design' diag(count) design.
    kept, dropped : ndarray of int
        Columns.
    bridge : ndarray of float, shape (kept, dropped)
    log_likelihood : float
        With the penalty, if there is one.
    is_penalised, has_converged : bool
    """

    coefficients: Array
    covariance: Array
    gram: Array
    kept: Array
    dropped: Array
    bridge: Array
    log_likelihood: float
    is_penalised: bool
    has_converged: bool

    def is_estimable(self, gradients: Array) -> Array:
        """Whether figures with these gradients (figures, p) follow from the predicted rates, whichever columns are dropped."""
        error = gradients[:, self.dropped] - gradients[:, self.kept] @ self.bridge
        return np.abs(error).max(axis=1, initial=0.0) < 1e-6


def independent(gram: Array, columns: Array) -> Array:
    """Those of `columns` that are kept when combinations of others (and empty ones) are dropped: pivoted QR of the scaled gram matrix."""
    from scipy.linalg import qr

    size = np.sqrt(np.diag(gram)[columns])
    columns, size = columns[size > 0], size[size > 0]
    if not len(columns):
        return columns
    triangle, order = qr(gram[np.ix_(columns, columns)] / np.outer(size, size), mode="r", pivoting=True)
    length = np.abs(np.diag(triangle))
    return np.sort(columns[order[: int(np.sum(length > 1e-9 * length[0]))]])


def leverages(design, weight: Array, covariance: Array) -> Array:
    """Share of each cell in the fit, w x' V x, some cells at a time."""
    found = np.empty(len(weight))
    for start in range(0, len(weight), 10_000):
        rows = design[start : start + 10_000]
        found[start : start + 10_000] = np.asarray(rows.multiply(rows @ covariance).sum(axis=1)).ravel()
    return weight * found


def maximum_likelihood(design, won: Array, count: Array) -> Array:
    """Coefficients by scikit-learn, whose own last words about a likelihood without a maximum aren't needed."""
    import warnings

    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    if not design.shape[1]:
        return np.zeros(0)
    weight, outcome = np.concatenate([won, count - won]), np.repeat([1, 0], len(won))
    is_there = weight > 0
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", fit_intercept=False, tol=1e-12, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(vstack([design, design]).tocsr()[is_there], outcome[is_there], sample_weight=weight[is_there])
    return model.coef_[0]


def climb(evaluate: Callable[[Array], tuple], coefficients: Array, free: Array) -> tuple[Array, bool]:
    """Coefficients that maximise what `evaluate` returns first, moving those that are `free`, and whether the steps came to an end."""
    value, gradient, _, curvature = evaluate(coefficients)
    for _ in range(100):
        step = np.zeros(len(coefficients))
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        step = shortened(step, 5.0)
        if np.abs(step).max() < 1e-10:
            return coefficients + step, True
        for _ in range(10):
            tried = evaluate(coefficients + step)
            if tried[0] >= value - 1e-9 * abs(value):
                break
            step /= 2
        coefficients = coefficients + step
        value, gradient, _, curvature = tried
    return coefficients, False


def fit_logistic(
    design, won: Array, count: Array, moving: Array | None = None, is_penalised: bool = False, start: Array | None = None
) -> Fit:
    """Maximum of the binomial likelihood, or of Firth's penalised one.

    A likelihood without a maximum (some level only wins or only loses) keeps Newton's steps long: the fit has not converged. The
    penalised one always has finite estimates.

    Parameters
    ----------
    design : scipy.sparse.csr_array, shape (cells, p)
    won, count : ndarray of float, shape (cells,)
    moving : ndarray of int, optional
        Columns whose coefficients are fitted (all), the others being 0. Firth's penalty is that of all columns.
    is_penalised : bool
    start : ndarray of float, shape (p,), optional
        Coefficients that the penalised fit begins with, 0 where they don't move.

    Returns
    -------
    Fit

    References
    ----------
    Firth (1993), Biometrika 80, 27-38. Heinze and Schemper (2002), Stat. Med. 21, 2409-2419.

    Examples
    --------
    Of the first level 30 of 100 deals are won, of the second 60 of 100.

    >>> design, won, count = one_hot(np.array([[0, -1], [0, 1]]), 2), np.array([30.0, 60.0]), np.array([100.0, 100.0])
    >>> fit_logistic(design, won, count).coefficients.round(4)
    array([-0.8473,  1.2528])
    """
    across = design.T.tocsr()
    gram = information(design, across, count)
    everything = np.arange(design.shape[1])
    kept = independent(gram, everything)
    free = kept if moving is None else independent(gram, moving)
    dropped = np.setdiff1d(everything, kept)
    bridge = np.linalg.solve(gram[np.ix_(kept, kept)], gram[np.ix_(kept, dropped)])

    def evaluate(coefficients: Array) -> tuple[float, Array, Array, Array]:
        """Log likelihood, its gradient, Fisher information, and the curvature that Newton's steps take."""
        logits = design @ coefficients
        rate = expit(logits)
        spread, residual = rate * (1 - rate), won - count * rate
        value = float(np.sum(won * logits - count * np.logaddexp(0, logits)))
        inside = curvature = information(design, across, count * spread)
        if is_penalised:
            core = inside[np.ix_(kept, kept)]
            # The penalty adds as many deals to a cell as its share in the fit, half of them won.
            added = leverages(design[:, kept], count * spread, np.linalg.inv(core))
            value += float(np.linalg.slogdet(core)[1]) / 2
            residual = residual + added * (0.5 - rate)
            curvature = information(design, across, (count + added) * spread)
        return value, design.T @ residual, inside, curvature

    if is_penalised:
        coefficients, has_converged = climb(evaluate, np.zeros(len(everything)) if start is None else start, free)
    else:
        coefficients = np.zeros(len(everything))
        coefficients[free] = maximum_likelihood(design[:, free], won, count)
    value, gradient, inside, curvature = evaluate(coefficients)
    if not is_penalised:
        has_converged = bool(np.abs(design @ coefficients).max() <= FARTHEST_LOGIT)
        step = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free]) if has_converged else np.zeros(0)
        has_converged &= bool(np.abs(step).max(initial=0.0) < 1e-6)
    covariance = np.zeros_like(inside)
    covariance[np.ix_(free, free)] = np.linalg.inv(inside[np.ix_(free, free)])
    return Fit(coefficients, covariance, gram, kept, dropped, bridge, value, is_penalised, has_converged)


def likelihood_ratio(design, won: Array, count: Array, full: Fit, fixed: Array) -> tuple[float, int, float]:
    """Likelihood-ratio test of some columns of a fit, in its likelihood, penalised or not.

    Parameters
    ----------
    design, won, count
        As of `fit_logistic`.
    full : Fit
    fixed : ndarray of int
        Columns whose coefficients are 0 under the hypothesis.

    Returns
    -------
    chi2 : float
    freedom : int
        Degrees of freedom.
    p_value : float
        Like chi2 NaN when the columns add nothing to the others.

    Examples
    --------
    >>> design, won, count = one_hot(np.array([[0, -1], [0, 1]]), 2), np.array([30.0, 60.0]), np.array([100.0, 100.0])
    >>> chi2, freedom, p_value = likelihood_ratio(design, won, count, fit_logistic(design, won, count), np.array([1]))
    >>> round(chi2, 4), freedom
    (18.4803, 1)
    """
    from scipy.special import chdtrc

    moving = np.setdiff1d(np.arange(design.shape[1]), fixed)
    freedom = len(full.kept) - len(independent(full.gram, moving))
    if freedom == 0:
        return np.nan, 0, np.nan
    start = full.coefficients.copy()
    start[fixed] = 0.0
    rest = fit_logistic(design, won, count, moving, full.is_penalised, start)
    chi2 = max(0.0, 2 * (full.log_likelihood - rest.log_likelihood))
    return chi2, freedom, float(chdtrc(freedom, chi2))


# Rates, of cells that some level may fit exactly


def settle(evaluate: Callable[[Array], tuple], coefficients: Array, most_steps: int, longest: float, tolerance: float) -> tuple:
    """Newton's steps until the deviance stands still, relatively to `tolerance`: a level that only wins or only loses drifts away until then.

    `evaluate` takes coefficients and returns the deviance, the step, and what is returned here: the rest at the last coefficients.
    """
    before = np.inf
    for _ in range(most_steps):
        now, step, *found = evaluate(coefficients)
        if abs(before - now) <= tolerance * max(1.0, now):
            break
        before = now
        coefficients = coefficients + shortened(step, longest)
    return tuple(found)


def deviance(won: Array, count: Array, rate: Array) -> float:
    """-2 x the log likelihood of predicted rates."""
    return -2 * float(np.sum(won * np.log(rate) + (count - won) * np.log1p(-rate)))


def predict_rates(design, won: Array, count: Array) -> tuple[Array, Array]:
    """Rate of each cell by maximum likelihood; the cells of a level that only wins or only loses are predicted as they came.

    Parameters
    ----------
    design : scipy.sparse.csr_array, shape (cells, p)
        The first column is the intercept.
    won, count : ndarray of float, shape (cells,)

    Returns
    -------
    rate : ndarray of float, shape (cells,)
    inverse : ndarray of float, shape (p, p)
        Generalised inverse of the Fisher information.

    Examples
    --------
    >>> rate, _ = predict_rates(one_hot(np.array([[0, -1], [0, 1]]), 2), np.array([30.0, 0.0]), np.array([100.0, 100.0]))
    >>> rate.round(6)
    array([0.3, 0. ])
    """
    across = design.T.tocsr()

    def evaluate(coefficients: Array) -> tuple[float, Array, Array, Array]:
        rate = sigmoid(np.clip(design @ coefficients, -WIDEST_LOGIT, WIDEST_LOGIT))
        inverse = np.linalg.pinv(information(design, across, count * rate * (1 - rate)), rcond=1e-11, hermitian=True)
        return deviance(won, count, rate), inverse @ (across @ (won - count * rate)), rate, inverse

    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log((won.sum() + 0.5) / (count.sum() - won.sum() + 0.5))
    return settle(evaluate, coefficients, most_steps=50, longest=5.0, tolerance=1e-14)


def calibration(offset: Array, columns: Array, won: Array, weight: Array, deal: Array) -> tuple[float, float]:
    """First coefficient, and its standard error clustered by deal, of a logistic regression with an offset.

    With the predicted log odds as first column it is the calibration's slope; with a column of ones, and the log odds as offset, its intercept.

    Parameters
    ----------
    offset : ndarray of float, shape (n,)
        Log odds.
    columns : ndarray of float, shape (n, k)
    won : ndarray of float, shape (n,)
        1 or 0.
    weight : ndarray of float, shape (n,)
    deal : ndarray of int, shape (n,)
        Index, from 0, of the deal whose observation a row is.

    Returns
    -------
    coefficient, standard_error : float
        NaN, both, with one outcome alone, fewer than three rows, or no maximum.

    Examples
    --------
    Of four deals predicted at 50 % three are won.

    >>> intercept, error = calibration(np.zeros(4), np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4), np.arange(4))
    >>> round(intercept, 4), round(error, 4)
    (1.0986, 1.1547)
    """
    beta = np.zeros(columns.shape[1])
    if not 0 < won.mean() < 1 or len(won) < 3:
        return np.nan, np.nan
    for _ in range(50):
        chance = sigmoid(offset + columns @ beta)
        inside = (columns * (weight * chance * (1 - chance))[:, None]).T @ columns
        if np.linalg.cond(inside) > 1e12:
            return np.nan, np.nan
        step = np.linalg.solve(inside, columns.T @ (weight * (won - chance)))
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    else:
        return np.nan, np.nan
    deals = int(deal.max()) + 1
    scores = columns * (weight * (won - chance))[:, None]
    by_deal = np.array([np.bincount(deal, column, deals) for column in scores.T])
    spread = np.linalg.inv(inside)
    return float(beta[0]), float(np.sqrt((spread @ (by_deal @ by_deal.T) @ spread)[0, 0]))
