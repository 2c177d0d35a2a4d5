"""Many tests at once: q values, adjusted p values, stepping down, and families of tests that are selected first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion, normal_quantile, score_interval
from inference.significance import pooled_z, two_sided

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


def holm(p_values: Array) -> Array:
    """Adjusted p values: that any one of all true hypotheses has one of at most a has a chance of at most a.

    Parameters
    ----------
    p_values : ndarray of float, shape (n,)
        NaN where there is no test.

    Returns
    -------
    ndarray of float, shape (n,)
        NaN where there is no test.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6, 65-70.

    Examples
    --------
    >>> holm(np.array([0.01, np.nan, 0.04, 0.03]))
    array([0.03,  nan, 0.06, 0.06])
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    known = known[np.argsort(p_values[known], kind="stable")]
    adjusted[known] = np.minimum(1, np.maximum.accumulate(p_values[known] * np.arange(len(known), 0, -1)))
    return adjusted


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


def step_down(score: Callable[[Array], Array], size: int, level: float, times: int = 1) -> tuple[Array, Array]:
    """One hypothesis after the other, the one that stands out most first: each that is rejected leaves, and the rest is scored anew.

    The largest |z| is a signal if its two-sided p value x the hypotheses left x `times` is at most `level`. Ties leave together.

    Parameters
    ----------
    score : callable
        Takes a mask, shape (n,), of the hypotheses that have not left, and returns their z, shape (n,), NaN where there is none.
    size : int
        n, the number of hypotheses.
    level : float
        Between 0 and 1.
    times : int
        What p values are multiplied by besides, such as the number of families that are stepped down.

    Returns
    -------
    adjusted : ndarray of float, shape (n,)
        Adjusted p values, none below that of a hypothesis that left before; NaN where none could be had.
    is_signal : ndarray of bool, shape (n,)

    References
    ----------
    Holm (1979), Scand. J. Stat. 6, 65-70, with statistics that depend on who is left.

    Examples
    --------
    Three groups, each against the rest: without the first, the others are alike.

    >>> means = np.array([9.0, 2.0, 1.0])
    >>> def against_the_rest(active):
    ...     rest = [means[active & (np.arange(3) != each)].mean() if active.sum() > 1 else np.nan for each in range(3)]
    ...     return np.where(active, means - rest, np.nan)
    >>> adjusted, is_signal = step_down(against_the_rest, 3, 0.05)
    >>> adjusted.round(3), is_signal
    (array([0.   , 0.635, 0.635]), array([ True, False, False]))
    """
    active, is_signal = np.ones(size, bool), np.zeros(size, bool)
    adjusted, floor = np.full(size, np.nan), 0.0
    while True:
        z = np.where(active, score(active), np.nan)
        judged = np.isfinite(z)
        if not judged.any():
            return adjusted, is_signal
        corrected = np.minimum(1.0, np.maximum(floor, two_sided(z) * judged.sum() * times))
        top = judged & largest(z)
        floor = float(corrected[top].max())
        if floor > level:
            adjusted[judged] = corrected[judged]
            return adjusted, is_signal
        adjusted[top], is_signal[top] = floor, True
        active &= ~top


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


def select_members(families: Sequence[Sequence[float]], level: float) -> tuple[list[Array], Selection]:
    """q values inside each family, and the families whose smallest one, which is Simes' p value of the family, selects them.

    A member is a signal if its family is selected and its q value at most the selection's threshold.

    Parameters
    ----------
    families : sequence of sequences of float
        p values of the members of each family, none of which is empty.
    level : float
        Between 0 and 1.

    Returns
    -------
    q_values : list of ndarray of float
        Of the members, by family.
    selection : Selection

    Raises
    ------
    ValueError
        If a p value is NaN.

    References
    ----------
    Simes (1986), Biometrika 73, 751-754. Benjamini and Bogomolov (2014), J. R. Stat. Soc. B 76, 297-318.

    Examples
    --------
    >>> q_values, selection = select_members([[0.001, 0.04], [0.3, 0.6, 0.9]], 0.05)
    >>> [each.tolist() for each in q_values], selection.threshold
    ([[0.002, 0.04], [0.8999999999999999, 0.8999999999999999, 0.9]], 0.025)
    """
    q_values = [benjamini_hochberg(family) for family in families]
    return q_values, select_families([family.min() for family in q_values], level)


@dataclass(frozen=True)
class Comparison:
    """Groups, each against those that don't stand out.

    Attributes
    ----------
    in_reference : ndarray of bool, shape (n,)
        Which groups look alike; each is compared with them, itself left out.
    reference : Proportion of shape (n,)
        Hits and cases that each group is compared with.
    difference, lower, upper : ndarray of float, shape (n,)
        Of each group's rate to its reference's, and its interval, corrected for the number of groups.
    p_value : ndarray of float, shape (n,)
        Two-sided, of each alone.
    adjusted_p_value : ndarray of float, shape (n,)
        Corrected for the number of groups: at most `level` exactly where the interval leaves 0 out.
    """

    in_reference: Array
    reference: Proportion
    difference: Array
    lower: Array
    upper: Array
    p_value: Array
    adjusted_p_value: Array


def reference_set(groups: Proportion, level: float) -> Array:
    """Which groups look alike: the one that stands out most from the others leaves, as long as it does so beyond chance.

    Parameters
    ----------
    groups : Proportion of shape (n,)
    level : float
        Between 0 and 1: a group leaves if its p value x the groups that are left is at most this. Two stay in any case.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> reference_set(Proportion([50, 46, 45, 44], [100] * 4), 0.05)
    array([ True,  True,  True,  True])
    >>> reference_set(Proportion([600, 460, 450, 440], [1000] * 4), 0.05)
    array([False,  True,  True,  True])
    """
    active = np.ones(len(groups.hits), bool)
    while active.sum() > 2:
        z = np.where(active, pooled_z(groups, without_each(groups, active)), np.nan)
        if np.isnan(z).all():
            break
        size = np.nan_to_num(np.abs(z), nan=-1)
        top = int(np.argmax(size))
        if two_sided(size[top]) * active.sum() > level:
            break
        active[top] = False
    return active


def without_each(groups: Proportion, active: Array) -> Proportion:
    """For each group the hits and cases of all active groups but itself."""
    hits, count = (np.where(active, values, 0) for values in (groups.hits, groups.count))
    return Proportion(hits.sum() - hits, count.sum() - count)


def compare_with_reference(groups: Proportion, level: float) -> Comparison:
    """Each group, whether it stands out or not, once against the reference set without itself.

    Verdict, difference, interval and p value of a group come from one comparison: the pooled z test and the score interval that
    is its inverse, at `level` over the number of groups. Two groups are one contrast, which needs no correction.

    Parameters
    ----------
    groups : Proportion of shape (n,)
    level : float
        Between 0 and 1.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> found = compare_with_reference(Proportion([600, 460, 450, 440], [1000] * 4), 0.05)
    >>> found.adjusted_p_value.round(3), found.difference.round(3)
    (array([0., 1., 1., 1.]), array([ 0.15 ,  0.015,  0.   , -0.015]))
    """
    in_reference = reference_set(groups, level)
    reference = without_each(groups, in_reference)
    times = 1 if len(groups.hits) == 2 else max(len(groups.hits), 1)
    p_value = two_sided(pooled_z(groups, reference))
    difference, lower, upper = score_interval(groups, reference, normal_quantile(1 - level / times))
    return Comparison(in_reference, reference, difference, lower, upper, p_value, np.minimum(1, p_value * times))
