"""Life tables of grouped cases, of which some are still going on: product-limit estimates, by cause of the end, with intervals.

Left truncation: what is observed after d > 0 days counts among those at risk from day d + 1 on; what ended by day d tells nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from inference.intervals import Proportion, wilson

Array = np.ndarray
TIE = 1e-12  # a share this near to a level, or to none or all, has reached it


@dataclass(frozen=True)
class LifeTable:
    """Product-limit estimates at the m days on which something ended, for k causes.

    Attributes
    ----------
    days : ndarray of int, shape (m,)
        Whole days, ascending.
    at_risk : ndarray of float, shape (m,)
        Cases that were observed on the day and had not ended before it.
    events : ndarray of float, shape (k, m)
        Cases that ended on the day, by cause.
    survival : ndarray of float, shape (m,)
        Kaplan and Meier's estimate of the share still going on after the day.
    incidence : ndarray of float, shape (k, m)
        Aalen and Johansen's estimate of the share that ended by cause up to the day; with `survival` they sum to 1.
    has_hole : bool
        On some day all at risk ended while others were observed only later: what comes after that day is unknown.
    """

    days: Array
    at_risk: Array
    events: Array
    survival: Array
    incidence: Array
    has_hole: bool

    @property
    def ended(self) -> Array:
        return self.events.sum(axis=0)

    @property
    def survival_before(self) -> Array:
        return np.concatenate([[1.0], self.survival])[:-1]

    @property
    def hazard_variance(self) -> Array:
        """Greenwood's term of each day, d / (n (n - d)); 0 on a day that leaves nobody, where it has no value."""
        left = self.at_risk - self.ended
        return np.divide(self.ended, self.at_risk * left, out=np.zeros_like(left), where=left > 0)

    def days_until(self, share: float) -> float | None:
        """First day by which `share` of the cases have ended; None while fewer have."""
        reached = np.flatnonzero(self.survival <= 1 - share + TIE)
        return float(self.days[reached[0]]) if len(reached) else None


def life_table(days: Array, observed_after: Array, cause: Array, count: Array, causes: int) -> LifeTable:
    """Life table of grouped cases.

    Parameters
    ----------
    days : ndarray of int, shape (n,)
        How long the cases of a group lasted, in whole days.
    observed_after : ndarray of int, shape (n,)
        Days after which they were observed, 0 from the beginning.
    cause : ndarray of int, shape (n,)
        1 to `causes`: what ended them; 0: still going on after `days`.
    count : ndarray of float, shape (n,)
        Cases of the group.
    causes : int

    Returns
    -------
    LifeTable

    Raises
    ------
    ValueError
        If a cause is not among 0 to `causes`.

    References
    ----------
    Kaplan and Meier (1958), J. Am. Stat. Assoc. 53, 457-481. Aalen and Johansen (1978), Scand. J. Stat. 5, 141-150.

    Examples
    --------
    Of four deals one is won after 3 days, one lost after 5, one is open after 4, and one is won after 9.

    >>> table = life_table(np.array([3, 5, 4, 9]), np.zeros(4), np.array([1, 2, 0, 1]), np.ones(4), 2)
    >>> table.days.tolist(), table.survival.tolist(), table.incidence[0].tolist(), table.days_until(0.5)
    ([3, 5, 9], [0.75, 0.375, 0.0], [0.25, 0.25, 0.625], 5.0)
    """
    if len(cause) and not 0 <= cause.min() <= cause.max() <= causes:
        raise ValueError(f"a cause is none of 0 to {causes}")
    informative = (observed_after == 0) | (days > observed_after)
    days, cause, count = days[informative], cause[informative], count[informative].astype(float)
    entry = np.where(observed_after == 0, -1, observed_after)[informative]
    times = np.unique(days[cause > 0])
    at_risk = count_from(times, days, count) - count_from(times, entry, count)
    place = np.searchsorted(times, days)
    events = np.zeros((causes, len(times)))
    for number in range(causes):
        rows = cause == number + 1
        np.add.at(events[number], place[rows], count[rows])
    survival = np.cumprod(1 - events.sum(axis=0) / at_risk)
    before = np.concatenate([[1.0], survival])[:-1]
    incidence = np.minimum(1.0, np.cumsum(before * events / at_risk, axis=1))
    empty = times[survival == 0]
    return LifeTable(times, at_risk, events, survival, incidence, bool(len(empty)) and bool((days > empty[0]).any()))


def count_from(times: Array, values: Array, count: Array) -> Array:
    """For each time, how many cases have a value at or beyond it."""
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(count[order])])
    return below[-1] - below[np.searchsorted(values[order], times, side="left")]


def days_until_interval(table: LifeTable, share: float, quantile: float) -> tuple[float | None, float | None]:
    """Interval of `LifeTable.days_until`: the days at which the log(-log) test does not reject it.

    On a day that leaves nobody Greenwood's variance has no value: there survival is below the level if the exact binomial limit of
    0 survivors among those at risk is.

    Parameters
    ----------
    table : LifeTable
        Without a hole.
    share : float
        Between 0 and 1.
    quantile : float
        See `intervals.normal_quantile`.

    Returns
    -------
    lower, upper : float or None
        Days; None where no day is early or late enough to be rejected.

    References
    ----------
    Brookmeyer and Crowley (1982), Biometrics 38, 29-41.

    Examples
    --------
    >>> days = np.arange(1, 41)
    >>> table = life_table(days, np.zeros(40), np.ones(40, int), np.ones(40), 1)
    >>> table.days_until(0.5), days_until_interval(table, 0.5, 1.96)
    (20.0, (14.0, 26.0))
    """
    level = 1 - share
    survival = table.survival
    deviation = np.zeros_like(survival)
    some = survival > 0
    log_survival = np.log(survival[some])
    spread = np.sqrt(np.cumsum(table.hazard_variance)[some])
    deviation[some] = (np.log(-log_survival) - np.log(-np.log(level))) * -log_survival / spread
    limit_of_none = table.survival_before * (1 - ndtr(-quantile) ** (1 / table.at_risk))
    deviation[~some] = np.where(limit_of_none[~some] <= level, np.inf, 0.0)

    not_above = np.flatnonzero(deviation >= -quantile)
    not_below = np.flatnonzero(deviation <= quantile)
    after = not_below[-1] + 1 if len(not_below) else 0
    lower = float(table.days[not_above[0]]) if len(not_above) else None
    return lower, float(table.days[after]) if after < len(table.days) else None


def incidence_variance(table: LifeTable, cause: int) -> float:
    """Variance of the last value of a cause's cumulative incidence, by the delta method (Dinse and Larson 1986, Biometrika 73, 379-386)."""
    at_risk, events, before = table.at_risk, table.events[cause - 1], table.survival_before
    rest = table.incidence[cause - 1, -1] - table.incidence[cause - 1]
    terms = rest**2 * table.hazard_variance + before**2 * events * (at_risk - events) / at_risk**3 - 2 * rest * before * events / at_risk**2
    return float(terms.sum())


def last_share(table: LifeTable, cause: int, quantile: float) -> tuple[float, float, float]:
    """Share that a cause has ended by the table's last day, or that is still going on then, and its interval.

    The interval is Wilson's at the effective number of cases, share (1 - share) / variance, so that without censoring it is that of a plain
    proportion; of a share of 0 or 1, at the number of cases that ended.

    Parameters
    ----------
    table : LifeTable
        With at least one day, and without a hole.
    cause : int
        From 1 on; 0 for the share still going on.
    quantile : float
        See `intervals.normal_quantile`.

    Returns
    -------
    share, lower, upper : float
        Between 0 and 1.

    Examples
    --------
    >>> table = life_table(np.array([3, 5, 9, 9]), np.zeros(4), np.array([1, 2, 1, 0]), np.ones(4), 2)
    >>> [round(each, 4) for each in last_share(table, 1, 1.96)]
    [0.5, 0.15, 0.85]
    """
    if cause:
        share, variance = float(table.incidence[cause - 1, -1]), incidence_variance(table, cause)
    else:
        share = float(table.survival[-1])
        variance = share**2 * float(table.hazard_variance.sum())
    is_between = TIE < share < 1 - TIE and variance > 0
    lower, upper = wilson(Proportion.of_rate(share, share * (1 - share) / variance if is_between else float(table.ended.sum())), quantile)
    return share, float(lower), float(upper)
