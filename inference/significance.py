"""p values of single tests. Those of many tests at once are of `multiplicity`."""

import numpy as np
from scipy.special import gammaln, ndtr, ndtri, stdtr, stdtrit

from inference.intervals import Proportion, ratio

Array = np.ndarray
SMALLEST_TAIL = 1e-300  # farther out a normal score has no value


def two_sided(z: Array | float) -> Array:
    """Two-sided p value of a standard normal statistic.

    Parameters
    ----------
    z : array-like of float
        Of any shape, NaN where there is none.

    Returns
    -------
    ndarray of float

    Examples
    --------
    >>> two_sided([0.0, -1.959964]).round(6)
    array([1.  , 0.05])
    """
    return 2 * ndtr(-np.abs(z))


def pooled_z(first: Proportion, second: Proportion) -> Array:
    """z of the difference of two proportions, first less second, when both are of the same rate.

    Parameters
    ----------
    first, second : Proportion
        Of shapes that broadcast together.

    Returns
    -------
    ndarray of float
        Standard normal under equality; NaN where a side has no case, or all or none of both are hits.

    Examples
    --------
    >>> pooled_z(Proportion([30, 0], [100, 9]), Proportion([45, 0], [100, 9])).round(4)
    array([-2.1909,     nan])
    """
    pooled = ratio(first.hits + second.hits, first.count + second.count)
    error = np.sqrt(pooled * (1 - pooled) * (ratio(1, first.count) + ratio(1, second.count)))
    return ratio(first.rate - second.rate, error)


def mantel_haenszel(first: Proportion, second: Proportion) -> tuple[float, float]:
    """Difference of two groups' rates inside strata, first less second, and its standard error when there is none.

    The difference is Mantel and Haenszel's mean over the strata. Divided by the error it is the root of Cochran, Mantel and Haenszel's
    chi-square without a correction for continuity, so that difference +- quantile x error leaves 0 out where that test does.

    Parameters
    ----------
    first, second : Proportion
        Of shape (strata,). Strata in which a group has no case say nothing.

    Returns
    -------
    difference, error : float
        NaN without a stratum that holds both groups; the error 0 where in each all or none are hits.

    References
    ----------
    Mantel and Haenszel (1959), J. Natl. Cancer Inst. 22, 719-748. Miettinen (1976), Am. J. Epidemiol. 103, 226-235 (test-based intervals).

    Examples
    --------
    >>> difference, error = mantel_haenszel(Proportion([30, 12], [60, 40]), Proportion([40, 20], [60, 40]))
    >>> round(difference, 4), round(difference / error, 4)
    (-0.18, -2.5752)
    """
    both = (first.count > 0) & (second.count > 0)
    n, other_n, hits, other_hits = (np.asarray(values)[both] for values in (first.count, second.count, first.hits, second.hits))
    if not both.any():
        return np.nan, np.nan
    size, won = n + other_n, hits + other_hits
    weight = n * other_n / size
    variance = weight * won * (size - won) / (size * np.maximum(size - 1, 1))
    difference = np.sum(weight * (hits / n - other_hits / other_n)) / weight.sum()
    return float(difference), float(np.sqrt(variance.sum()) / weight.sum())


def normal_score(t: float, freedom: int) -> float:
    """The standard normal value with the tail probability that a value has under Student's t.

    Parameters
    ----------
    t : float
    freedom : int
        Degrees of freedom of t.

    Returns
    -------
    float

    Examples
    --------
    >>> round(normal_score(3.0, 11), 4)
    2.5098
    """
    return float(np.copysign(ndtri(max(stdtr(freedom, -abs(t)), SMALLEST_TAIL)), t))


def student_score(z: float, freedom: int) -> float:
    """The value of Student's t with the tail probability that a standard normal value has: the reverse of `normal_score`.

    Parameters
    ----------
    z : float
    freedom : int
        Degrees of freedom of t.

    Returns
    -------
    float

    Examples
    --------
    >>> round(student_score(3.0, 11), 4)
    3.8499
    """
    return float(stdtrit(freedom, ndtr(z)))


def fisher_exact(hits: int, count: int, other_hits: int, other_count: int) -> float:
    """Two-sided p value of Fisher's exact test that two groups have the same share of hits.

    Parameters
    ----------
    hits, count, other_hits, other_count : int
        Hits of and cases in the first group and in the other.

    Returns
    -------
    float
        Sum of the probabilities of all tables with these margins that are no likelier than this one; 1 where a margin is 0.

    References
    ----------
    Agresti (2013), Categorical Data Analysis, 3rd ed., 3.5.

    Examples
    --------
    >>> round(fisher_exact(1, 10, 11, 14), 6)
    0.002759
    """
    total = hits + other_hits
    least, most = max(0, total - other_count), min(total, count)
    table = np.arange(least, most + 1)

    def log_choose(n: int, k: Array) -> Array:
        return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)

    log_chance = log_choose(count, table) + log_choose(other_count, total - table)
    chance = np.exp(log_chance - log_chance.max())
    # As far as rounding can tell, a table is as likely as this one.
    return float(min(1.0, chance[chance <= chance[hits - least] * (1 + 1e-7)].sum() / chance.sum()))


def smallest_difference(first_count: Array, second_count: Array, rate: Array | float, level: Array | float, power: float = 0.8) -> Array:
    """The difference of two rates that a test finds with this chance.

    Parameters
    ----------
    first_count, second_count : ndarray of float
        Cases, or what they are worth.
    rate : array-like of float
        About which both lie.
    level : array-like of float
        Of the two-sided test.
    power : float
        Between 0 and 1.

    Returns
    -------
    ndarray of float
        Above 0; NaN where a side has no case, or the rate is 0 or 1.

    References
    ----------
    Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, 3rd ed., 4.2, with one rate for both variances.

    Examples
    --------
    >>> smallest_difference(np.array([300.0]), np.array([900.0]), 0.4, 0.05).round(3)
    array([0.091])
    """
    error = np.sqrt(np.multiply(rate, np.subtract(1, rate)) * (ratio(1, first_count) + ratio(1, second_count)))
    found = (ndtri(1 - np.divide(level, 2)) + ndtri(power)) * error
    return np.where(error > 0, found, np.nan)
