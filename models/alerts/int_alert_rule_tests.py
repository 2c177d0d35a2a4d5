"""One row per alert rule that fired in the replay: how often what it warned of came, less how often it came to the others, and the test of it.

The others are what the rule looked at on the same days and wasn't met by, each day weighing as many as fired on it. A deal is among them on several days,
so they are worth fewer deals than they have rows: as many as would make their rate vary as it does when each deal counts with all its days at once,
and never more than there are deals. Cases are one a deal. Both sides then are proportions of independent deals, and the difference is tested by
the score test, whose inverse is the interval. A deal that is first among the others and fires later stands on both sides, which makes the difference vary
less than the test allows for: it is careful.
"""

import math

import numpy as np

from inference.intervals import Proportion, score_interval, score_z
from inference.tables import from_columns, read_columns

NUMBERS = ("judged_count", "happened_count", "expected_count", "other_subject_count", "other_variance")


def effective_others(rate: np.ndarray, cases: np.ndarray, subjects: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """How many independent deals the rate of the others is known from.

    Parameters
    ----------
    rate : ndarray of float
        Mean rate of the others, each day weighing its cases.
    cases : ndarray of float
        Cases, to which the weights of the others add up.
    subjects : ndarray of float
        Different deals among the others.
    variance : ndarray of float
        Sum over these deals of the square of all their weighted deviations together.

    Examples
    --------
    Two days with one case each, on both days the same four others, two of them lost: as good as four deals seen once.

    >>> effective_others(np.array([0.5]), np.array([2.0]), np.array([4.0]), np.array([0.25]))
    array([4.])

    Where the second day has four of its own, they are eight.

    >>> effective_others(np.array([0.5]), np.array([2.0]), np.array([8.0]), np.array([0.125]))
    array([8.])
    """
    spread = np.square(cases) * rate * (1 - rate)
    worth = np.where(variance > 0, spread / np.where(variance > 0, variance, 1), subjects)
    return np.minimum(np.where(spread > 0, worth, subjects), subjects)


def judge(counts: dict[str, np.ndarray], limit: float) -> dict[str, np.ndarray]:
    """`difference`, its ends and their level, and `z_value`: the cases less the others. `counts`: NUMBERS, each rule with at least one case."""
    cases = counts["judged_count"]
    rate = counts["expected_count"] / cases
    others = effective_others(rate, cases, counts["other_subject_count"], counts["other_variance"])
    first, second = Proportion(counts["happened_count"], cases), Proportion.of_rate(rate, others)
    difference, lower, upper = score_interval(first, second, limit)
    return {
        "difference": difference,
        "difference_lower": lower,
        "difference_upper": upper,
        "difference_confidence_level": np.full(len(cases), math.erf(limit / math.sqrt(2))),
        "z_value": score_z(first, second, np.zeros(len(cases))),
    }


def model(dbt, session):
    dbt.config(materialized="table")
    rules = read_columns(dbt.ref("int_replayed_rules").filter("judged_count > 0"), ("alert_rule_id", *NUMBERS), ("alert_rule_id",))
    counts = {name: np.array(rules[name], float) for name in NUMBERS}
    found = judge(counts, float(dbt.config.meta_get("limit")))
    return from_columns({"alert_rule_id": rules["alert_rule_id"]} | found, {str: ("alert_rule_id",), float: tuple(found)})
