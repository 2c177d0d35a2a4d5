"""One row per alert rule that fired in the replay: how often what it warned of came, less how often it came to the others, and the test of it.

The others are what the rule looked at on the same days and wasn't met by, each day weighing as many as fired on it. A deal is among them on several days
and may fire later. If the rule knows nothing, which of a day's deals it warns of is drawn by chance, and the difference varies as in a log-rank test
(Mantel 1966, Cancer Chemother. Rep. 50, 163-170): by the squares of what each deal counts in it, all its days together. So the test is clustered by deal.
The others are taken as worth as many independent deals as make the pooled test of two proportions vary like this, and at most as many as if each day had
others of its own. The difference is tested by the score test, whose inverse is the interval.
"""

import math

import numpy as np

from inference.intervals import Proportion, score_interval, score_z
from inference.tables import from_columns, read_columns

NUMBERS = ("judged_count", "happened_count", "expected_count", "deal_squares", "day_squares")


def effective_others(cases: np.ndarray, deal_squares: np.ndarray, day_squares: np.ndarray) -> np.ndarray:
    """How many independent deals the others of all days are worth.

    Parameters
    ----------
    cases : ndarray of float
        Cases, to which the weights of the others add up.
    deal_squares : ndarray of float
        Sum over deals of (1 as a case - its weights among the others of all days)^2.
    day_squares : ndarray of float
        Sum over deals and days of the squares of these weights, above 0.

    Examples
    --------
    Two cases on two days, with two others each, who weigh 1 / 2. They are worth four where each day has its own others, two where both days have the same,
    and again four where the second case is one of the first day's others.

    >>> effective_others(np.array([2.0, 2.0, 2.0]), np.array([3.0, 4.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    array([4., 2., 4.])
    """
    return np.square(cases) / np.maximum(deal_squares - cases, day_squares)


def judge(counts: dict[str, np.ndarray], limit: float) -> dict[str, np.ndarray]:
    """`difference`, its ends and their level, and `z_value`: the cases less the others. `counts`: NUMBERS, each rule with at least one case."""
    cases = counts["judged_count"]
    rate = counts["expected_count"] / cases
    others = effective_others(cases, counts["deal_squares"], counts["day_squares"])
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
