"""One row is one measure of a stage in a segment, or, where `stage` is null, of a segment: estimate, interval, status.

Measures and what they are made of (day counts are whole, intervals have the confidence of `confidence_level`):

- a name of `quantiles` (median, p75, p90): days until that share of the visits has left the stage. Kaplan-Meier; open visits are
  censored after the day they have reached. Interval: the days at which the log(-log) test does not reject the quantile (Brookmeyer
  and Crowley 1982).
- win_probability, loss_probability, open_probability: what became of the deals that reached the stage, by the longest time to a
  close that was seen. Aalen-Johansen with winning and losing as competing risks, open deals censored; the three sum to 1. Interval:
  Wilson's at the effective number of deals p (1 - p) / variance, so without censoring it is that of a plain rate.
- loss_rate: deals lost with this stage as their furthest / those and the deals that got further; loss_share_rate: the former / lost
  deals of all stages; late_stage_loss_rate: lost / closed deals that reached a late stage. Wilson intervals.

Left truncation: what is observed after d > 0 days counts among those at risk from day d + 1 on; what ended by day d tells nothing.
Status: `estimated`; `upper_limit_not_reached`; `not_reached` (survival stays above the quantile); `no_case` (nothing to divide by, no
deal has closed); `nobody_at_risk` (on some day all at risk ended while others were observed only later, so the curve has a hole).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

SEGMENT = ["segment_dimension", "segment_value"]
WON, LOST = 1, 2
TIE = 1e-12  # survival this near to a quantile's level has reached it

Measure = tuple[str, float | None, float | None, float | None, str]


@dataclass(frozen=True)
class LifeTable:
    """Product-limit estimates at the m days on which something ended, for k causes."""

    days: np.ndarray  # (m,) whole days, ascending
    at_risk: np.ndarray  # (m,)
    events: np.ndarray  # (k, m)
    survival: np.ndarray  # (m,) after the day
    incidence: np.ndarray  # (k, m) up to the day
    has_hole: bool

    @property
    def ended(self) -> np.ndarray:
        return self.events.sum(axis=0)

    @property
    def survival_before(self) -> np.ndarray:
        return np.concatenate([[1.0], self.survival])[:-1]

    @property
    def hazard_variance(self) -> np.ndarray:
        """Greenwood's term of each day, d / (n (n - d)); 0 on a day that leaves nobody, where it has no value."""
        left = self.at_risk - self.ended
        return np.divide(self.ended, self.at_risk * left, out=np.zeros_like(left), where=left > 0)


def life_table(days: np.ndarray, observed_after: np.ndarray, cause: np.ndarray, count: np.ndarray, causes: int) -> LifeTable:
    """Life table of grouped cases: `count` of them lasted `days`, ended by `cause` (1 to `causes`; 0: still going on)."""
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
    incidence = np.cumsum(before * events / at_risk, axis=1)
    empty = times[survival == 0]
    return LifeTable(times, at_risk, events, survival, incidence, bool(len(empty)) and bool((days > empty[0]).any()))


def count_from(times: np.ndarray, values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """For each time, how many cases have a value at or beyond it."""
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(count[order])])
    return below[-1] - below[np.searchsorted(values[order], times, side="left")]


def quantile(table: LifeTable, share: float, z: float) -> tuple[float | None, float | None, float | None, str]:
    """The first day by which `share` have ended, with the limits of its interval and its status.

    On a day that leaves nobody Greenwood's variance has no value: there survival is below the level if the exact binomial limit of
    0 survivors among those at risk is.
    """
    if table.has_hole:
        return None, None, None, "nobody_at_risk"
    level = 1 - share
    survival = table.survival
    deviation = np.zeros_like(survival)
    some = survival > 0
    log_survival = np.log(survival[some])
    spread = np.sqrt(np.cumsum(table.hazard_variance)[some])
    deviation[some] = (np.log(-log_survival) - np.log(-np.log(level))) * -log_survival / spread
    limit_of_none = table.survival_before * (1 - NormalDist().cdf(-z) ** (1 / table.at_risk))
    deviation[~some] = np.where(limit_of_none[~some] <= level, np.inf, 0.0)

    reached = np.flatnonzero(survival <= level + TIE)
    not_above = np.flatnonzero(deviation >= -z)
    not_below = np.flatnonzero(deviation <= z)
    after = not_below[-1] + 1 if len(not_below) else 0
    lower = float(table.days[not_above[0]]) if len(not_above) else None
    upper = float(table.days[after]) if after < len(table.days) else None
    if not len(reached):
        return None, lower, None, "not_reached"
    return float(table.days[reached[0]]), lower, upper, "estimated" if upper is not None else "upper_limit_not_reached"


def incidence_variance(table: LifeTable, cause: int) -> float:
    """Variance of the last value of a cause's cumulative incidence, by the delta method (Dinse and Larson 1986)."""
    at_risk, events, before = table.at_risk, table.events[cause - 1], table.survival_before
    rest = table.incidence[cause - 1, -1] - table.incidence[cause - 1]
    terms = (
        rest**2 * table.hazard_variance
        + before**2 * events * (at_risk - events) / at_risk**3
        - 2 * rest * before * events / at_risk**2
    )
    return float(terms.sum())


def probabilities(table: LifeTable, z: float) -> Iterator[Measure]:
    """What became of the cases of a life table whose causes are WON and LOST."""
    names = ("win_probability", "loss_probability", "open_probability")
    if table.has_hole or not len(table.days):
        status = "nobody_at_risk" if table.has_hole else "no_case"
        yield from ((name, None, None, None, status) for name in names)
        return
    survival = float(table.survival[-1])
    estimates = [float(table.incidence[WON - 1, -1]), float(table.incidence[LOST - 1, -1]), survival]
    variances = [incidence_variance(table, WON), incidence_variance(table, LOST), survival**2 * float(table.hazard_variance.sum())]
    closed = float(table.ended.sum())
    for name, estimate, variance in zip(names, estimates, variances, strict=False):
        inside = 0 < estimate < 1 and variance > 0
        yield (name, estimate, *wilson(estimate, estimate * (1 - estimate) / variance if inside else closed, z), "estimated")


def wilson(rate: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a rate observed in n cases."""
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return (float(centre - half) if rate > 0 else 0.0), (float(centre + half) if rate < 1 else 1.0)


def rate(name: str, cases: float, n: float, z: float) -> Measure:
    if n == 0:
        return name, None, None, None, "no_case"
    return (name, cases / n, *wilson(cases / n, n, z), "estimated")


def groups(frame, keys: list[str]) -> Iterator[tuple[tuple, dict[str, np.ndarray]]]:
    """Each group's key and its columns as arrays, in the order of the keys."""
    columns = {name: frame[name].to_numpy() for name in frame.columns if name not in keys}
    for key, rows in sorted(frame.groupby(keys, dropna=False).indices.items(), key=lambda item: tuple(map(str, item[0]))):
        yield key, {name: values[rows] for name, values in columns.items()}


def stage_durations(visit_counts, quantiles: dict[str, float], z: float) -> Iterator[tuple]:
    for key, visits in groups(visit_counts, [*SEGMENT, "stage"]):
        ended = visits["is_completed"].astype(int)
        table = life_table(visits["days_in_stage"], visits["observed_after_days"], ended, visits["visit_count"], causes=1)
        for name, share in quantiles.items():
            yield (*key, name, *quantile(table, share, z))


def stage_conversion(reach_counts, z: float) -> Iterator[tuple]:
    is_lost_here = reach_counts["is_furthest"] & (reach_counts["outcome"] == "Lost")
    lost_by_segment = reach_counts[is_lost_here].groupby(SEGMENT, dropna=False)["deal_count"].sum().to_dict()
    for key, deals in groups(reach_counts, [*SEGMENT, "stage"]):
        count, outcome, is_furthest = deals["deal_count"], deals["outcome"], deals["is_furthest"].astype(bool)
        cause = np.select([outcome == "Won", outcome == "Lost"], [WON, LOST], 0)
        table = life_table(deals["days_to_close"], deals["observed_after_days"], cause, count, causes=2)
        lost_here = count[is_furthest & (outcome == "Lost")].sum()
        open_here = count[is_furthest & (outcome == "Open")].sum()
        measures = [
            *probabilities(table, z),
            rate("loss_rate", lost_here, count.sum() - open_here, z),
            rate("loss_share_rate", lost_here, lost_by_segment.get(key[:2], 0), z),
        ]
        for measure in measures:
            yield (*key, *measure)


def late_stage_losses(late_counts, z: float) -> Iterator[tuple]:
    for key, deals in groups(late_counts, SEGMENT):
        yield (*key, None, *rate("late_stage_loss_rate", deals["lost_deal_count"].sum(), deals["closed_deal_count"].sum(), z))


def model(dbt, session):
    import pyarrow as pa

    confidence_level = dbt.config.meta_get("confidence_level")
    quantiles = dbt.config.meta_get("quantiles")
    z = NormalDist().inv_cdf(0.5 + float(confidence_level) / 2)
    rows = [
        *stage_durations(dbt.ref("int_stage_visit_counts").df(), quantiles, z),
        *stage_conversion(dbt.ref("int_stage_reach_counts").df(), z),
        *late_stage_losses(dbt.ref("int_late_stage_counts").df(), z),
    ]
    text = [(name, pa.string()) for name in (*SEGMENT, "stage", "measure")]
    numbers = [(name, pa.float64()) for name in ("estimate", "lower_limit", "upper_limit")]
    schema = pa.schema([*text, *numbers, ("status", pa.string())])
    return pa.table([pa.array(column, type) for column, type in zip(zip(*rows, strict=False) if rows else [[]] * len(schema), schema.types, strict=False)], schema=schema)
