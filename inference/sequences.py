"""Intervals and p values that hold however often they are read: confidence sequences."""

import numpy as np

Array = np.ndarray


def mixing_variance(level: Array | float, tightest: float) -> Array:
    """Variance of the normal mixture whose sequence at `level` is narrowest after about `tightest` cases.

    Examples
    --------
    >>> (mixing_variance([0.05, 0.01], 300) * 300).round(4)
    array([ 7.9362, 11.5337])
    """
    doubled = -2 * np.log(level)
    return (doubled + np.log(doubled + 1)) / tightest


def sequence_quantile(count: Array | float, level: Array | float, tightest: float) -> Array:
    """What the standard error of an estimate is multiplied by, in place of a normal quantile, so that its interval may be read after every case.

    Parameters
    ----------
    count : array-like of float
        Cases behind the estimate, above 0.
    level : array-like of float
        Probability that the interval ever, at any count, misses what is estimated: 0.05 for 95 %.
    tightest : float
        Cases at which it should be narrowest, fixed before the first is seen.

    Returns
    -------
    ndarray of float

    Notes
    -----
    Asymptotic, as a normal quantile is: the first few dozen cases don't count.

    References
    ----------
    Robbins (1970), Ann. Math. Stat. 41, 1397-1409. Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Ann. Stat. 52, 2613-2640.

    Examples
    --------
    >>> sequence_quantile([50, 300, 1200], 0.05, 300).round(3)
    array([3.464, 3.035, 3.127])
    """
    ratio = np.asarray(count, float) * mixing_variance(level, tightest)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((1 + 1 / ratio) * (np.log1p(ratio) - 2 * np.log(level)))


def sequence_p_value(z: Array | float, count: Array | float, level: Array | float, tightest: float) -> Array:
    """p value that may be read after every case: at most `level` if and only if the interval by `sequence_quantile` leaves 0 out.

    Parameters
    ----------
    z : array-like of float
        Estimates over their standard errors.
    count, level, tightest
        As in `sequence_quantile`.

    Returns
    -------
    ndarray of float
        At most 1; NaN where `z` is.

    Examples
    --------
    >>> sequence_p_value([0.0, 3.035], 300, 0.05, 300).round(3)
    array([1.  , 0.05])
    """
    ratio = np.asarray(count, float) * mixing_variance(level, tightest)
    return np.minimum(1, np.sqrt(1 + ratio) * np.exp(-np.square(z) / 2 * ratio / (1 + ratio)))


def cases_until(reach: float, error: float, count: float, level: float, tightest: float) -> int:
    """Cases at which the interval reaches no farther than `reach` to either side, if the error goes on to fall as one over the square root of them.

    Parameters
    ----------
    reach, error : float
        In one unit, above 0; `error` is the standard error after `count` cases.
    count, level, tightest
        As in `sequence_quantile`.

    Returns
    -------
    int

    Examples
    --------
    >>> cases_until(0.1, 0.05, 400, 0.05, 300)
    964
    """

    def is_there(cases: int) -> bool:
        return error * np.sqrt(count / cases) * sequence_quantile(cases, level, tightest) <= reach

    above = 1
    while not is_there(above):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        above, below = (middle, below) if is_there(middle) else (above, middle)
    return above
