"""One row per problem: are won and lost deals left out unequally often, beyond chance, and between which bounds lies the win rate?

The problems: `rejected` (a closed deal that was turned away, of whatever outcome its row names), `no_amount` (accepted, but no amount counts)
and `no_close_date` (accepted, but its close date is not known). Fisher's exact test of the shares left out; few problems are tested, at a
level that leaves room for all. The rate of the deals that remain is compared with the bounds that it has if all deals that are left out were
won, and if all were lost: the outcome of a deal that has no amount is known, so its win rate is too, but a figure that rests on amounts rests
on the deals that remain.
"""

import numpy as np

from inference.intervals import ratio
from inference.significance import fisher_exact
from inference.tables import from_rows

PROBLEMS = {
    "rejected": "reason_codes is not null",
    "no_amount": "reason_codes is null and not is_value_eligible",
    "no_close_date": "reason_codes is null and not is_cycle_eligible",
}
COUNTS = ("won_deal_count", "won_missing_count", "lost_deal_count", "lost_missing_count")
FIGURES = (
    "won_missing_rate",
    "lost_missing_rate",
    "p_value",
    "all_win_rate",
    "known_win_rate",
    "win_rate_if_missing_lost",
    "win_rate_if_missing_won",
)


def compare(counts: dict[str, int], level: float, least_difference: float) -> dict:
    """FIGURES, `is_outcome_dependent` and `is_bending`. `counts`: COUNTS, all deals and of them those left out, by outcome."""
    won, won_missing, lost, lost_missing = (counts[name] for name in COUNTS)
    known, everything = won + lost - won_missing - lost_missing, won + lost
    rates = {
        "won_missing_rate": ratio(won_missing, won),
        "lost_missing_rate": ratio(lost_missing, lost),
        "all_win_rate": ratio(won, everything),
        "known_win_rate": ratio(won - won_missing, known),
        "win_rate_if_missing_lost": ratio(won - won_missing, everything),
        "win_rate_if_missing_won": ratio(won + lost_missing, everything),
    }
    found = {name: float(rate) for name, rate in rates.items()}
    found["p_value"] = fisher_exact(won_missing, won, lost_missing, lost) if won and lost else np.nan
    is_dependent = found["p_value"] < level and abs(found["won_missing_rate"] - found["lost_missing_rate"]) >= least_difference
    # Unequal shares of few deals hardly move the rate of the deals that remain. Where none of an outcome remains, they have no rate.
    is_bending = is_dependent and not abs(found["known_win_rate"] - found["all_win_rate"]) < least_difference
    return found | {"is_outcome_dependent": bool(is_dependent), "is_bending": bool(is_bending)}


def model(dbt, session):
    dbt.config(materialized="table")
    settings = dbt.config.meta_get("settings")
    deals = dbt.ref("int_judged_deals").filter("outcome in ('Won', 'Lost')")
    rows = []
    for problem, is_missing in PROBLEMS.items():
        of_accepted = "" if problem == "rejected" else "reason_codes is null and "
        sums = ", ".join(
            f"cast(count(*) filter ({of_accepted}outcome = '{outcome}'{condition}) as bigint)"
            for outcome in ("Won", "Lost")
            for condition in ("", f" and ({is_missing})")
        )
        counts = dict(zip(COUNTS, deals.aggregate(sums).fetchone(), strict=True))
        rows.append({"problem": problem} | counts | compare(counts, **settings))
    return from_rows(rows, {str: ("problem",), int: COUNTS, float: FIGURES, bool: ("is_outcome_dependent", "is_bending")})
