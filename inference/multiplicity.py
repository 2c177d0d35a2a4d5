"""Many tests at once: q values, corrections with their own intervals, what looks alike, and families that share a threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion
from inference.significance import two_sided

Array = np.ndarray
SAME = 1e-7  # relative difference below which two statistics are tied: the two sides of a difference are the same difference


def benjamini_hochberg(p_values: Sequence[float]) -> Array:
    """q values: of all tests with a q value of at most q, a share of at most q is expected to be false.

    Parameters
    ----------
    p_values : sequence of float, length n
        May be empty.

    Returns
    -------
    ndarray of float, shape (n,)
        In the order of `p_values`.

    Raises
    ------
    ValueError
        If a p value is NaN: a test without one is no test.

    References
    ----------
    Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57, 289-300.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.4, 0.03])
    array([0.03 , 0.4  , 0.045])
    """
    p_values = np.asarray(p_values, float)
    if np.isnan(p_values).any():
        raise ValueError("a p value is NaN")
    order = np.argsort(p_values)[::-1]
    steps = p_values[order] * len(order) / np.arange(len(order), 0, -1)
    q_values = np.empty(len(order))
    q_values[order] = np.minimum(1.0, np.minimum.accumulate(steps))
    return q_values


def largest(z: Array) -> Array:
    """Which statistics are the largest on either side, ties included.

    Parameters
    ----------
    z : ndarray of float, shape (n,)
        NaN where there is none, but not everywhere.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> largest(np.array([1.0, -2.0, np.nan, 2.0]))
    array([False,  True, False,  True])
    """
    size = np.abs(z)
    return size >= np.nanmax(size) * (1 - SAME)


@dataclass(frozen=True)
class Selection:
    """Families of hypotheses, of which some are selected, and how sure their members must be to be signals.

    Attributes
    ----------
    q_values : ndarray of float, shape (m,)
        Of the families.
    is_selected : ndarray of bool, shape (m,)
    share : float
        Selected families / m; 0 without any.
    threshold : float
        The level at which members of selected families are tested: that of the families x `share`.
    """

    q_values: Array
    is_selected: Array
    share: float
    threshold: float


def select_families(p_values: Sequence[float], level: float) -> Selection:
    """Families that hold a signal; members are tested at `threshold`, so that the false share is bounded on average over the selected.

    Parameters
    ----------
    p_values : sequence of float, length m
        Of each family, that none of its hypotheses is false.
    level : float
        Between 0 and 1.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        If a p value is NaN.

    References
    ----------
    Benjamini and Bogomolov (2014), J. R. Stat. Soc. B 76, 297-318.

    Examples
    --------
    >>> found = select_families([0.001, 0.3, 0.01, 0.9], 0.05)
    >>> found.is_selected, found.threshold
    (array([ True, False,  True, False]), 0.025)
    """
    q_values = benjamini_hochberg(p_values)
    is_selected = q_values <= level
    share = float(np.mean(is_selected)) if len(q_values) else 0.0
    return Selection(q_values, is_selected, share, level * share)


FEWEST_FOR_FALSE_DISCOVERY = 12  # hypotheses from which on the share of false signals is bounded, and not the chance of any


@dataclass(frozen=True)
class Correction:
    """How sure each of several hypotheses must be, and what that makes of their p values.

    Attributes
    ----------
    adjusted : ndarray of float, shape (n,)
        Adjusted p values: at most the family's level exactly where a p value is at most `each_level`.
    each_level : float
        What a single p value must not exceed. An interval at 1 - `each_level` leaves 0 out exactly where its test does so.
    """

    adjusted: Array
    each_level: float


def correct(p_values: Array, level: float, fewest: int = FEWEST_FOR_FALSE_DISCOVERY, two_are_one: bool = True) -> Correction:
    """Several hypotheses of one family, each tested once.

    Two are one contrast, seen from both sides, and need no correction, unless `two_are_one` says that they are two. Up to eleven have
    Bonferroni's: any false signal comes up in a share of `level` at most. From twelve on it is Benjamini-Hochberg's, with the level of
    intervals that bounds the share of the shown ones that are false.

    Parameters
    ----------
    p_values : ndarray of float, shape (n,)
        NaN where there is no test.
    level : float
        Between 0 and 1.
    fewest : int
        Tests from which on it is Benjamini-Hochberg's. 1 where tests bear each other out, and two aren't one contrast.
    two_are_one : bool

    Returns
    -------
    Correction

    References
    ----------
    Benjamini and Yekutieli (2005), J. Am. Stat. Assoc. 100, 71-81.

    Examples
    --------
    >>> correct(np.array([0.01, np.nan, 0.2, 0.5]), 0.05)
    Correction(adjusted=array([0.03,  nan, 0.6 , 1.  ]), each_level=0.016666666666666666)
    """
    known = np.isfinite(p_values)
    size = int(known.sum())
    adjusted = np.full(len(p_values), np.nan)
    if size < fewest:
        times = 1 if size == 2 and two_are_one else max(size, 1)
        adjusted[known] = np.minimum(1.0, p_values[known] * times)
        return Correction(adjusted, level / times)
    adjusted[known] = benjamini_hochberg(p_values[known])
    return Correction(adjusted, level * max(1, int(np.sum(adjusted <= level))) / size)


def reference_set(score: Callable[[Array], Array], size: int, level: float, least: int = 2) -> Array:
    """Which groups look alike: the one that stands out most from the others leaves, as long as it does so beyond chance.

    Parameters
    ----------
    score : callable
        Takes a mask, shape (n,), of the groups that are left, and returns the z of each against the others that are left, shape (n,),
        NaN where there is none.
    size : int
        n, the number of groups.
    level : float
        Between 0 and 1: a group leaves if its two-sided p value x the groups that are left is at most this.
    least : int
        As many stay in any case.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> from inference.significance import pooled_z
    >>> groups = Proportion([600, 460, 450, 440], [1000] * 4)
    >>> reference_set(lambda active: pooled_z(groups, without_each(groups, active)), 4, 0.05)
    array([False,  True,  True,  True])
    """
    active = np.ones(size, bool)
    while active.sum() > least:
        z = np.where(active, score(active), np.nan)
        if not np.isfinite(z).any():
            break
        top = int(np.flatnonzero(largest(z))[0])
        if two_sided(z[top]) * active.sum() > level:
            break
        active[top] = False
    return active


def without_each(groups: Proportion, active: Array) -> Proportion:
    """For each group the hits and cases of all active groups but itself.

    Examples
    --------
    >>> without_each(Proportion([5, 3, 1], [9, 9, 9]), np.array([True, True, False])).hits
    array([3., 5., 8.])
    """
    hits, count = (np.where(active, values, 0) for values in (groups.hits, groups.count))
    return Proportion(hits.sum() - hits, count.sum() - count)


def threshold(family_p_values: Sequence[float], level: float) -> tuple[Array, float]:
    """q values of families, and the level at which the members of all of them are tested: `level` x the share that is selected.

    With p values of families that are the least adjusted p value of their members, nothing in a family that isn't selected passes at
    that level either. So all families have one threshold, and intervals at it agree with the verdicts of all. Without any selected
    family it is the level at which the first would have been.

    Parameters
    ----------
    family_p_values : sequence of float, length m
    level : float
        Between 0 and 1.

    Returns
    -------
    q_values : ndarray of float, shape (m,)
    threshold : float

    Raises
    ------
    ValueError
        If a p value is NaN.

    References
    ----------
    Benjamini and Bogomolov (2014), J. R. Stat. Soc. B 76, 297-318.

    Examples
    --------
    >>> threshold([0.001, 0.3, 0.01, 0.9], 0.05)[1], threshold([0.3, 0.9], 0.05)[1]
    (0.025, 0.025)
    """
    selection = select_families(family_p_values, level)
    return selection.q_values, max(selection.threshold, level / max(len(selection.q_values), 1))


def shrink_differences(difference: Array, error: Array, lower: Array, upper: Array) -> Array:
    """Differences as large as one should expect to find them again: those that stand out most owe part of it to chance.

    The variance of the true differences is what chance leaves of that of the estimates (DerSimonian and Laird's moments, about 0). No
    figure is drawn out of its own interval, so that it never contradicts what is said beside it.

    Parameters
    ----------
    difference, error, lower, upper : ndarray of float, shape (n,)
        Of one family; NaN where there is none. Two differences are one, seen from both sides.

    Returns
    -------
    ndarray of float, shape (n,)

    References
    ----------
    DerSimonian and Laird (1986), Control. Clin. Trials 7, 177-188. Efron and Morris (1975), J. Am. Stat. Assoc. 70, 311-319.

    Examples
    --------
    >>> shrink_differences(np.array([-0.12, 0.02, 0.04]), np.full(3, 0.03), np.full(3, -0.2), np.full(3, 0.2)).round(3)
    array([-0.101,  0.017,  0.034])
    """
    known = np.isfinite(difference) & (error > 0)
    if not known.any():
        return np.full(len(difference), np.nan)
    weight = 1 / error[known] ** 2
    sides = 2 if known.sum() == 2 else 1
    excess = np.sum(difference[known] ** 2 * weight) / sides - max(1, known.sum() - 1)
    variance = max(0.0, excess / (weight.sum() / sides))
    shrunk = difference * variance / np.where(known, variance + error**2, np.nan)
    return np.clip(shrunk, lower, upper)
