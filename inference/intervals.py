"""Intervals of shares, of their differences, and of quotients, from counts and sums."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

Array = np.ndarray
HALVINGS = 50  # of the range in which the end of an interval lies


def ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """Quotient that is NaN where the denominator is 0.

    Parameters
    ----------
    numerator, denominator : array-like of float
        Of shapes that broadcast together.

    Returns
    -------
    ndarray of float
        Of the common shape.

    Examples
    --------
    >>> ratio([1, 2], [4, 0])
    array([0.25,  nan])
    """
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)


def normal_quantile(confidence_level: float) -> float:
    """Standard errors that a two-sided interval of this level reaches to each side.

    Parameters
    ----------
    confidence_level : float
        Between 0 and 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    if not 0 < confidence_level < 1:
        raise ValueError(f"a confidence level is between 0 and 1, not {confidence_level}")
    return float(ndtri((1 + confidence_level) / 2))


def normal_quantiles(confidence_levels: Array) -> Array:
    """As `normal_quantile`, of many levels; NaN where there is none.

    Examples
    --------
    >>> normal_quantiles(np.array([0.95, np.nan])).round(3)
    array([1.96,  nan])
    """
    return ndtri((1 + np.asarray(confidence_levels, float)) / 2)


@dataclass(frozen=True)
class Proportion:
    """Hits among cases, such as won among closed deals.

    Parameters
    ----------
    hits, count : array-like of float
        Of one shape, or of shapes that broadcast together; 0 <= hits <= count. They may be effective numbers.

    Attributes
    ----------
    rate : ndarray of float
        hits / count, NaN where count is 0.

    Examples
    --------
    >>> Proportion([3, 0], [4, 0]).rate
    array([0.75,  nan])
    """

    hits: Array
    count: Array

    def __post_init__(self) -> None:
        for name in ("hits", "count"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), float))

    @classmethod
    def of_rate(cls, rate: Array | float, count: Array | float) -> "Proportion":
        """A known rate that is as sure as one of `count` cases would be.

        Examples
        --------
        >>> Proportion.of_rate(0.25, 8).hits
        array(2.)
        """
        return cls(np.multiply(rate, count), count)

    @property
    def rate(self) -> Array:
        return ratio(self.hits, self.count)


def wilson(proportion: Proportion, quantile: float) -> tuple[Array, Array]:
    """Score interval of a proportion.

    Parameters
    ----------
    proportion : Proportion
        Of any shape.
    quantile : float
        See `normal_quantile`.

    Returns
    -------
    lower, upper : ndarray of float
        Of the proportion's shape, 0 <= lower <= rate <= upper <= 1; NaN where there is no case.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209-212. Brown, Cai and DasGupta (2001), Stat. Sci. 16, 101-133.

    Examples
    --------
    >>> lower, upper = wilson(Proportion([5, 0], [10, 10]), normal_quantile(0.95))
    >>> lower.round(4).tolist(), upper.round(4).tolist()
    ([0.2366, 0.0], [0.7634, 0.2775])
    """
    rate, count = proportion.rate, proportion.count
    shrink = ratio(1, 1 + ratio(quantile**2, count))
    centre = shrink * (rate + ratio(quantile**2, 2 * count))
    half = shrink * quantile * np.sqrt(ratio(rate * (1 - rate), count) + ratio(quantile, 2 * count) ** 2)
    return np.clip(centre - half, 0, rate), np.clip(centre + half, rate, 1)


@dataclass(frozen=True)
class Quotient:
    """Two estimates that one divides by the other, their variances, and their covariance; all of one shape.

    Parameters
    ----------
    numerator, denominator, numerator_variance, denominator_variance, covariance : ndarray of float
    """

    numerator: Array
    denominator: Array
    numerator_variance: Array
    denominator_variance: Array
    covariance: Array


def fieller(quotient: Quotient, quantile: Array | float) -> tuple[Array, Array]:
    """Interval of a quotient: all values v for which `numerator - v x denominator` is within chance of 0.

    Parameters
    ----------
    quotient : Quotient
        Of any shape.
    quantile : array-like of float
        Standard errors that are chance, of normal or t.

    Returns
    -------
    lower, upper : ndarray of float
        NaN, both, where the denominator is not surely above 0, so that the values have no two ends.

    References
    ----------
    Fieller (1954), J. R. Stat. Soc. B 16, 175-185.

    Examples
    --------
    >>> lower, upper = fieller(Quotient(2.0, 4.0, 0.25, 0.25, 0.0), 1.96)
    >>> round(float(lower), 4), round(float(upper), 4)
    (0.2476, 0.8163)
    """
    square = np.square(quantile)
    a = np.square(quotient.denominator) - square * quotient.denominator_variance
    b = quotient.numerator * quotient.denominator - square * quotient.covariance
    c = np.square(quotient.numerator) - square * quotient.numerator_variance
    has_ends = (a > 0) & (np.asarray(quotient.denominator) > 0)
    root = np.sqrt(np.where(has_ends, np.maximum(b * b - a * c, 0), np.nan))
    divisor = np.where(has_ends, a, np.nan)
    return (b - root) / divisor, (b + root) / divisor


def restricted_rates(first: Proportion, second: Proportion, difference: Array | float) -> tuple[Array, Array]:
    """Maximum likelihood rates of two proportions that differ by a given difference, first less second.

    Parameters
    ----------
    first, second : Proportion
        Of shapes that broadcast together, each with at least one case.
    difference : array-like of float
        Above -1 and below 1.

    Returns
    -------
    first_rate, second_rate : ndarray of float
        Their difference is `difference`.

    References
    ----------
    Farrington and Manning (1990), Stat. Med. 9, 1447-1454: the root of a cubic in closed form.

    Examples
    --------
    Without a difference it is the pooled rate of both.

    >>> one, two = restricted_rates(Proportion(30, 100), Proportion(45, 100), 0.0)
    >>> round(float(one), 6), round(float(two), 6)
    (0.375, 0.375)
    """
    weight = second.count / first.count
    cube = 1 + weight
    square = -(1 + weight + first.rate + weight * second.rate + difference * (weight + 2))
    linear = difference**2 + difference * (2 * first.rate + weight + 1) + first.rate + weight * second.rate
    constant = -first.rate * difference * (1 + difference)
    v = square**3 / (3 * cube) ** 3 - square * linear / (6 * cube**2) + constant / (2 * cube)
    u = np.where(v > 0, 1, -1) * np.sqrt(np.maximum(square**2 / (3 * cube) ** 2 - linear / (3 * cube), 0))
    angle = np.arccos(np.clip(ratio(v, u**3), -1, 1))
    rate = np.where(u == 0, -square / (3 * cube), 2 * u * np.cos((np.pi + np.nan_to_num(angle)) / 3) - square / (3 * cube))
    rate = np.clip(rate, np.maximum(0, difference), np.minimum(1, 1 + difference))
    return rate, np.clip(rate - difference, 0, 1)


def score_z(first: Proportion, second: Proportion, difference: Array | float) -> Array:
    """z of the difference of two proportions, first less second, if in truth it is `difference`; at 0 that of `pooled_z`.

    Examples
    --------
    >>> round(float(score_z(Proportion(30, 100), Proportion(45, 100), 0.0)), 4)
    -2.1909
    """
    rate, second_rate = restricted_rates(first, second, difference)
    variance = ratio(rate * (1 - rate), first.count) + ratio(second_rate * (1 - second_rate), second.count)
    gap = first.rate - second.rate - difference
    without_error = np.where(gap == 0, np.nan, np.copysign(np.inf, gap))
    return np.where(variance > 0, ratio(gap, np.sqrt(variance)), without_error)


def score_interval(first: Proportion, second: Proportion, quantile: Array | float) -> tuple[Array, Array, Array]:
    """Difference of two independent proportions, first less second, with all differences that chance can explain.

    It is the inverse of the pooled z test: 0 lies outside exactly where that test is beyond `quantile`.

    Parameters
    ----------
    first, second : Proportion
        Of shapes that broadcast together.
    quantile : array-like of float
        See `normal_quantile`; one for all, or one for each.

    Returns
    -------
    difference, lower, upper : ndarray of float
        -1 <= lower <= difference <= upper <= 1; NaN where a proportion has no case.

    References
    ----------
    Mee (1984), Biometrics 40, 1175-1176.

    Examples
    --------
    >>> [round(float(each), 4) for each in score_interval(Proportion(56, 70), Proportion(48, 80), normal_quantile(0.95))]
    [0.2, 0.0533, 0.3377]
    """
    difference = first.rate - second.rate
    quantile = np.broadcast_to(np.asarray(quantile, float), difference.shape)
    ends = []
    for side in (-1.0, 1.0):
        inner, outer = np.array(difference, float), np.full(difference.shape, side)
        for _ in range(HALVINGS):
            middle = (inner + outer) / 2
            is_inside = np.abs(score_z(first, second, middle)) <= quantile
            inner, outer = np.where(is_inside, middle, inner), np.where(is_inside, outer, middle)
        ends.append(np.where(np.isnan(difference), np.nan, inner))
    return difference, ends[0], ends[1]
