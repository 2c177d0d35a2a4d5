"""One row is one measure of a stage in a segment, or, where `stage` is null, of a segment: estimate, interval, status.

Measures and what they are made of (day counts are whole, intervals have the confidence of `confidence_level`):

- a name of `quantiles` (median, p75, p90): days until that share of the visits has left the stage. Kaplan-Meier; open visits are
  censored after the day they have reached. Interval: the days at which the log(-log) test does not reject the quantile (Brookmeyer
  and Crowley 1982).
- win_probability, loss_probability, open_probability: what became of the deals that reached the stage, by the longest time to a
  close that was seen. Aalen-Johansen with winning and losing as competing risks, open deals censored; the three sum to 1. Interval:
  Wilson's at the effective number of deals p (1 - p) / variance, so without censoring it is that of a plain rate.
- loss_rate: deals lost with this stage as their furthest / those and the deals that got further; loss_share_rate: the former / lost
  deals of all stages of the pipeline; late_stage_loss_rate: lost / closed deals that reached a late stage. Wilson intervals.

Status: `estimated`; `upper_limit_not_reached`; `not_reached` (survival stays above the quantile); `no_case` (nothing to divide by, no
deal has closed); `nobody_at_risk` (on some day all at risk ended while others were observed only later, so the curve has a hole).
"""

from collections.abc import Iterator

import numpy as np

from inference.intervals import Proportion, normal_quantile, wilson
from inference.survival import LifeTable, days_until_interval, last_share, life_table
from inference.tables import from_rows

SEGMENT = ["segment_dimension", "segment_value"]
OPEN, WON, LOST = 0, 1, 2
COLUMNS = (*SEGMENT, "stage", "measure", "estimate", "lower_limit", "upper_limit", "status")

Measure = tuple[str, float | None, float | None, float | None, str]


def quantile(table: LifeTable, share: float, z: float) -> tuple[float | None, float | None, float | None, str]:
    """The first day by which `share` have ended, with the limits of its interval and its status."""
    if table.has_hole:
        return None, None, None, "nobody_at_risk"
    days, (lower, upper) = table.days_until(share), days_until_interval(table, share, z)
    if days is None:
        return None, lower, None, "not_reached"
    return days, lower, upper, "estimated" if upper is not None else "upper_limit_not_reached"


def probabilities(table: LifeTable, z: float) -> Iterator[Measure]:
    """What became of the cases of a life table whose causes are WON and LOST."""
    for name, cause in (("win_probability", WON), ("loss_probability", LOST), ("open_probability", OPEN)):
        if table.has_hole or not len(table.days):
            yield name, None, None, None, "nobody_at_risk" if table.has_hole else "no_case"
        else:
            yield name, *last_share(table, cause, z), "estimated"


def rate(name: str, cases: float, n: float, z: float) -> Measure:
    if n == 0:
        return name, None, None, None, "no_case"
    return (name, cases / n, *map(float, wilson(Proportion(cases, n), z)), "estimated")


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
    lost_by_pipeline = reach_counts[is_lost_here].groupby([*SEGMENT, "pipeline_text"])["deal_count"].sum().to_dict()
    for key, deals in groups(reach_counts, [*SEGMENT, "stage"]):
        count, outcome, is_furthest = deals["deal_count"], deals["outcome"], deals["is_furthest"].astype(bool)
        cause = np.select([outcome == "Won", outcome == "Lost"], [WON, LOST], OPEN)
        table = life_table(deals["days_to_close"], deals["observed_after_days"], cause, count, causes=2)
        lost_here = count[is_furthest & (outcome == "Lost")].sum()
        open_here = count[is_furthest & (outcome == "Open")].sum()
        measures = [
            *probabilities(table, z),
            rate("loss_rate", lost_here, count.sum() - open_here, z),
            rate("loss_share_rate", lost_here, lost_by_pipeline.get((*key[:2], deals["pipeline_text"][0]), 0), z),
        ]
        for measure in measures:
            yield (*key, *measure)


def late_stage_losses(late_counts, z: float) -> Iterator[tuple]:
    for key, deals in groups(late_counts, SEGMENT):
        yield (*key, None, *rate("late_stage_loss_rate", deals["lost_deal_count"].sum(), deals["closed_deal_count"].sum(), z))


def model(dbt, session):
    settings = dbt.config.meta_get("settings")
    z = normal_quantile(settings["confidence_level"])
    rows = [
        *stage_durations(dbt.ref("int_stage_visit_counts").df(), settings["quantiles"], z),
        *stage_conversion(dbt.ref("int_stage_reach_counts").df(), z),
        *late_stage_losses(dbt.ref("int_late_stage_counts").df(), z),
    ]
    return from_rows([dict(zip(COLUMNS, row, strict=True)) for row in rows], {str: (*COLUMNS[:4], "status"), float: COLUMNS[4:7]})
