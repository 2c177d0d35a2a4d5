"""One row per basis, period type, period and is_risk_adjusted: is the period's win rate off, and does the rate have a trend?

The chart, for complete periods by closed date. Periods before them in which at least half of all lives could have ended stand in the baseline,
at the rate that their quick closes lead one to expect: losses come later than wins. The baseline of a period are the B complete periods before the current excursion began, but for
those of ended excursions that held at least `min_excursion_alarms` alarms. Its ratio of won to expected deals times the period's expected rate is p0 (without risk adjustment the same rate is expected of all periods, and p0
is the baseline's win rate). With n deals in the period, N in the baseline and D = max(1, Pearson chi2 of the baseline / (B - 1)),

    z = (rate - p0) / sqrt(p0 (1 - p0) (1 / n + 1 / N) D),

and q is the normal score with the tail probability of z under t with B - 1 degrees of freedom. An alarm is |q| > `limit`, or one of two
cumulative sums of q (Page 1954; what exceeds `cusum_allowance` in either direction is added, never below 0) above `cusum_limit`. An excursion
runs while a sum is above 0. After an alarm the first period that doesn't carry it on ends it, and the sums begin anew from 0. A shift that lasts
is no excursion: once, of the last `min_baseline_periods` periods, more than half, the oldest among them, are such that would be left out, these
periods are the whole baseline, and all begins anew.

The trend test, over the T complete periods (of cohorts: mature ones): the slope of a weighted line, which is Cochran and Armitage's z, over
sqrt(D), D = max(1, Pearson chi2 about the fit / degrees of freedom), t with T - 2 of them. From 18 months (6 quarters) on a cosine and a sine of a
year stand beside the line, so that a season is no trend, and leave T - 4. Benjamini-Hochberg over all such tests; the interval is at the level
that it leaves for a single one, so that a trend is a signal where its interval leaves 0 out.

A cohort that isn't mature has the share won by the longest time to a close that was seen in it instead: Aalen-Johansen, winning and losing as
competing risks, open deals censored, Wilson's interval at the effective number of deals.

`python -m tools simulate trend` says how often the chart is wrong.
"""

import datetime
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from inference.intervals import Proportion, normal_quantile, wilson
from inference.multiplicity import correct
from inference.seasons import SEASON_MONTHS, annual_terms, weighted_fit
from inference.significance import normal_score, student_score
from inference.survival import last_share, life_table
from inference.tables import from_rows, read_rows

QUICK_LEAST, QUICK_MOST = 0.5, 0.8
KEYS = ("basis", "period_type", "period_start_date", "period_end_date", "is_partial_period", "is_mature")
COUNTS = ("won_deal_count", "lost_deal_count", "open_deal_count")
CHART = (
    "expected_win_rate", "lower_limit", "upper_limit", "dispersion", "z_score", "q_score", "p_value", "cusum_above", "cusum_below",
)  # fmt: skip
TREND = (
    "trend_pp_per_period", "trend_lower_pp", "trend_upper_pp", "trend_dispersion", "trend_z_score", "trend_p_value", "trend_q_value",
    "trend_confidence_level",
)  # fmt: skip
RATES = ("win_rate", "win_rate_lower", "win_rate_upper")
INCIDENCE = ("win_by_age_rate", "win_by_age_lower", "win_by_age_upper", "win_rate_least", "win_rate_most")
FIGURES = (*RATES, *INCIDENCE, *CHART, *TREND)
WHOLE = ("win_by_age_days", "baseline_period_count", "baseline_deal_count", "tested_period_count", "trend_period_count", "trend_deal_count")
TEXTS = ("alarm_kind", "alarm_direction", "verdict", "missing_reason", "trend_verdict")
WON, LOST = 1, 2
Array = np.ndarray


@dataclass(frozen=True)
class Settings:
    min_baseline_periods: int
    min_excursion_alarms: int  # an excursion of fewer may be chance, which a baseline has to know
    min_expected_deals: float  # won, and lost, that a period must be expected to have
    limit: float
    cusum_allowance: float
    cusum_limit: float
    min_trend_periods: int
    fdr_level: float
    confidence_level: float
    fiscal_year_start_month: int


# The chart


def compare(won: Array, count: Array, expected: Array, base: Array, at: int, settings: Settings) -> dict:
    """Period `at` against the periods `base`. `expected`: the rate expected of each period, of which only ratios matter."""
    periods, deals = len(base), float(count[base].sum())
    found = {"baseline_start": int(base[0]), "baseline_period_count": periods, "baseline_deal_count": int(deals)}
    rate = expected * won[base].sum() / np.sum(count[base] * expected[base])
    if won[base].sum() in (0, deals) or rate[base].max() >= 1 or rate[at] >= 1:
        return found | {"verdict": "not_computable", "missing_reason": "no rate between 0 and 1 can be expected"}
    p0, n = float(rate[at]), float(count[at])
    found["expected_win_rate"] = p0
    if n * min(p0, 1 - p0) < settings.min_expected_deals:
        return found | {"verdict": "insufficient_n", "missing_reason": "too few deals closed in the period"}
    chi2 = np.sum((won[base] - count[base] * rate[base]) ** 2 / (count[base] * rate[base] * (1 - rate[base])))
    dispersion = max(1.0, float(chi2) / (periods - 1))
    error = np.sqrt(p0 * (1 - p0) * (1 / n + 1 / deals) * dispersion)
    z = float((won[at] / n - p0) / error)
    q = normal_score(z, periods - 1)
    reach = float(student_score(settings.limit, periods - 1) * error)
    limits = {"lower_limit": max(0.0, p0 - reach), "upper_limit": min(1.0, p0 + reach)}
    scores = {"dispersion": dispersion, "z_score": z, "q_score": q, "p_value": float(2 * ndtr(-abs(q)))}
    return found | limits | scores | {"verdict": "no_signal"}


def chart(won: Array, count: Array, expected: Array, settings: Settings) -> list[dict]:
    """What the chart says of each period, in order of time; all arrays (periods,), count above 0."""
    rows, above, below, begin, alarmed, alarms, tested = [], 0.0, 0.0, None, 0, 0, 0
    least, start, is_left_out = settings.min_baseline_periods, 0, np.zeros(len(count), bool)
    for at in range(len(count)):
        if at < least:
            rows.append({"verdict": "insufficient_n", "missing_reason": "too few complete periods before it"})
            continue
        if is_left_out[at - least] and is_left_out[at - least : at].mean() > 0.5:
            start, above, below, begin, alarmed = at - least, 0.0, 0.0, None, 0
            is_left_out[:] = False
        base = start + np.flatnonzero(~is_left_out[start : at if begin is None else begin])
        row = compare(won, count, expected, base, at, settings)
        rows.append(row)
        if row["verdict"] != "no_signal":
            continue
        q, tested = row["q_score"], tested + 1
        if alarmed and alarmed * q <= settings.cusum_allowance:
            above, below, begin, alarmed = 0.0, 0.0, None, 0
        above, below = max(0.0, above + q - settings.cusum_allowance), max(0.0, below - q - settings.cusum_allowance)
        if begin is None or above == below == 0:
            begin, alarms = None if above == below == 0 else at, 0
        row |= {"cusum_above": above, "cusum_below": below, "tested_period_count": tested}
        is_out, is_summed = abs(q) > settings.limit, max(above, below) > settings.cusum_limit
        if is_out or is_summed:
            alarmed, alarms = int(np.sign(q)) if is_out else 1 if above > below else -1, alarms + 1
            row |= {
                "verdict": "signal",
                "alarm_kind": "limits_and_cusum" if is_out and is_summed else "limits" if is_out else "cusum",
                "alarm_direction": "above" if alarmed > 0 else "below",
            }
        if alarmed and alarms >= settings.min_excursion_alarms:
            is_left_out[begin : at + 1] = True
    return rows


@dataclass(frozen=True)
class Lives:
    """How long deals lived that closed when all closes were known: lost and won ones by age in days, shape (2, days), and the first creation."""

    counts: Array
    first_created_date: datetime.date

    def quick_ratio(self, start: datetime.date, end: datetime.date) -> float:
        """What the win rate of those of a period's closes that could be known is over that of all; NaN if fewer than half could, or nearly
        none of these are losses."""
        ages = np.array([(start - self.first_created_date).days, (end - self.first_created_date).days])
        so_far = self.counts.cumsum(1)
        known = so_far[:, np.clip(np.arange(ages[0], ages[1] + 1), 0, so_far.shape[1] - 1)].mean(1)
        every = so_far[:, -1]
        if known.sum() < QUICK_LEAST * every.sum() or not every[1] or known[1] > QUICK_MOST * known.sum():
            return np.nan
        return float(known[1] / known.sum() / (every[1] / every.sum()))


def closed_lives(rows: list[tuple], whole_months: set[datetime.date], first_created_date: datetime.date | None) -> Lives | None:
    """`rows`: closed_month, outcome, age and deals; None where no month is whole."""
    chosen = [row for row in rows if row[0] in whole_months]
    if not chosen:
        return None
    counts = np.zeros((2, 1 + max(age for _, _, age, _ in chosen)))
    for _, outcome, age, count in chosen:
        counts[int(outcome == "Won"), age] += count
    return Lives(counts, first_created_date)


# The trend test


def trend(won: Array, count: Array, expected: Array, month: Array, length: int, settings: Settings) -> dict:
    """Slope of the rate over periods of `length` months that begin with `month`, in points per period, and its test; of `expected` only ratios
    matter."""
    periods, deals = len(count), float(count.sum())
    has_season = periods * length >= SEASON_MONTHS
    found = {"trend_period_count": periods, "trend_deal_count": int(deals), "is_season_adjusted": has_season}
    if periods < settings.min_trend_periods:
        return found | {"trend_verdict": "insufficient_n"}
    rate = expected * won.sum() / np.sum(count * expected)
    if won.sum() in (0, deals) or rate.max() >= 1:
        return found | {"trend_verdict": "not_computable"}
    # The line's level is fitted too: without risk adjustment it would be 0.
    terms = [(month - month.mean()) / length, np.ones(periods), *(annual_terms(month).T if has_season else [])]
    fit = weighted_fit(won / count - rate, count / (rate * (1 - rate)), np.column_stack(terms))
    if fit is None:
        return found | {"trend_verdict": "not_computable"}
    slope, error = float(fit.coefficients[0]), float(fit.errors[0] * np.sqrt(fit.dispersion))
    return found | {
        "trend_pp_per_period": 100 * slope,
        "trend_error_pp": 100 * error,
        "trend_freedom": fit.freedom,
        "trend_dispersion": fit.dispersion,
        "trend_z_score": slope / error,
        "trend_p_value": float(2 * stdtr(fit.freedom, -abs(slope / error))),
        "trend_verdict": "no_signal",
    }


def judge_trends(trends: list[dict], fdr_level: float) -> None:
    tests = [found for found in trends if found["trend_verdict"] == "no_signal"]
    if not tests:
        return
    correction = correct(np.array([found["trend_p_value"] for found in tests]), fdr_level, fewest=1)
    for found, q_value in zip(tests, correction.adjusted, strict=True):
        reach = float(stdtrit(found["trend_freedom"], 1 - correction.each_level / 2)) * found["trend_error_pp"]
        found |= {
            "trend_q_value": float(q_value),
            "trend_confidence_level": 1 - correction.each_level,
            "trend_lower_pp": found["trend_pp_per_period"] - reach,
            "trend_upper_pp": found["trend_pp_per_period"] + reach,
            "trend_verdict": "signal" if found["trend_p_value"] <= correction.each_level else "no_signal",
        }


# Rates


def win_incidence(days: Array, outcome: Array, count: Array, quantile: float) -> dict:
    """Share won by the last day on which a deal of the cohort closed, and its interval; nothing when none has.

    `count` deals were won, lost or, still open, seen until the end of day `days`.
    """
    cause = np.select([outcome == "Won", outcome == "Lost"], [WON, LOST], 0)
    table = life_table(days, np.zeros(len(days)), cause, count, causes=2)
    if not len(table.days):
        return {}
    share, lower, upper = last_share(table, WON, quantile)
    return {"win_by_age_days": int(table.days[-1]), "win_by_age_rate": share, "win_by_age_lower": lower, "win_by_age_upper": upper}


# Rows


def describe(row: dict, cohort_days: dict, quantile: float) -> dict:
    """What a period says by itself."""
    won, lost, still_open = (row[name] for name in COUNTS)
    closed, everything = won + lost, won + lost + still_open
    found = {}
    if closed:
        found = dict(zip(RATES, (won / closed, *wilson(Proportion(won, closed), quantile)), strict=True))
    if row["basis"] == "created_cohort":
        found |= {"win_rate_least": won / everything, "win_rate_most": (won + still_open) / everything}
        if not row["is_mature"]:
            known = cohort_days.get((row["period_type"], row["period_start_date"]))  # none where no deal of the cohort has a close date
            found |= win_incidence(*known, quantile) if known else {}
    return found


def why_not_charted(row: dict) -> dict:
    if row["basis"] == "created_cohort":
        return {"verdict": "not_computable", "missing_reason": "cohorts are not charted"}
    return {"verdict": "not_computable", "missing_reason": "the period is not complete"}


def as_arrays(rows: list[dict]) -> tuple[Array, Array, Array]:
    """Won and closed deals of the rows of a series, and the win rates that are expected of them, of which only ratios matter."""
    won, lost = (np.array([row[name] for row in rows], float) for name in ("won_deal_count", "lost_deal_count"))
    is_adjusted = bool(rows) and rows[0]["is_risk_adjusted"]
    expected = np.array([row["expected_won_count"] for row in rows], float) / (won + lost) if is_adjusted else np.ones(len(rows))
    return won, won + lost, expected


def draw_chart(known: list[dict], young: list[dict], lives: Lives | None, settings: Settings) -> None:
    """Fill the rows `known` with what the chart says of them. Those of `young` come before them, and are no more than baseline."""
    ratios = [lives.quick_ratio(row["period_start_date"], row["period_end_date"]) if lives else np.nan for row in young]
    before = [row for row, ratio in zip(young, ratios, strict=True) if ratio > 0]
    factor = np.array([ratio for ratio in ratios if ratio > 0] + [1.0] * len(known))
    series = before + known
    won, count, expected = as_arrays(series)
    for row, found in list(zip(series, chart(won, count, expected * factor, settings), strict=True))[len(before) :]:
        start = found.pop("baseline_start", None)
        row["missing_reason"] = None
        row |= found | {"baseline_start_date": None if start is None else series[start]["period_start_date"]}


def analyse(periods: list[dict], cohort_days: dict, lives: Lives | None, settings: Settings) -> list[dict]:
    """All rows. `periods`: KEYS, COUNTS, expected_won_count and is_young; `cohort_days`: by period type and start (days, outcome, count)."""
    quantile = normal_quantile(settings.confidence_level)
    rows, trends = [], []
    for basis, period_type, is_adjusted in sorted({(row["basis"], row["period_type"], flag) for row in periods for flag in (False, True)}):
        series = sorted(
            (row for row in periods if (row["basis"], row["period_type"]) == (basis, period_type)), key=lambda row: row["period_start_date"]
        )
        if is_adjusted and any(row["expected_won_count"] is None for row in series):
            continue
        own = [row | describe(row, cohort_days, quantile) | why_not_charted(row) | {"is_risk_adjusted": is_adjusted} for row in series]
        known = [row for row in own if not row["is_partial_period"] and row["is_mature"] is not False and "win_rate" in row]
        if basis == "closed_date":
            draw_chart(known, [row for row in own if row["is_young"] and "win_rate" in row], lives, settings)
        won, count, expected = as_arrays(known)
        months = np.array([row["period_start_date"].year * 12 + row["period_start_date"].month for row in known], float)
        found = trend(won, count, expected, months, 3 if period_type == "quarter" else 1, settings)
        trends.append(found)
        rows += [(row, found) for row in own]
    judge_trends(trends, settings.fdr_level)
    return [row | found for row, found in rows]


def quarter_start(month: datetime.date, year_start_month: int) -> datetime.date:
    """The first day of the quarter that holds `month`, in years that begin with the month `year_start_month`; as the macro of that name."""
    number = 12 * month.year + month.month - 1
    number -= (month.month - year_start_month) % 3
    return datetime.date(number // 12, number % 12 + 1, 1)


def by_period(cohort_counts, year_start_month: int) -> dict:
    """Days, outcomes and counts of each cohort month, and of each quarter."""
    found: dict = {}
    for month, outcome, days, count in cohort_counts:
        for key in (("month", month), ("quarter", quarter_start(month, year_start_month))):
            found.setdefault(key, []).append((days, outcome, count))
    return {
        key: (np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), np.array([row[2] for row in rows], float))
        for key, rows in found.items()
    }


def model(dbt, session):
    dbt.config(materialized="table")
    [(fdr_level,)] = dbt.ref("int_verdict_level").project("fdr_level").fetchall()
    settings = Settings(fdr_level=fdr_level, **dbt.config.meta_get("settings"))
    periods = read_rows(dbt.ref("int_win_rate_periods"), [*KEYS, *COUNTS, "expected_won_count", "is_young"], KEYS)
    day_counts = dbt.ref("int_cohort_day_counts")
    days = day_counts.aggregate("cohort_month, outcome, age_days, cast(sum(deal_count) as bigint)")
    closes = day_counts.filter("closed_month is not null").aggregate("closed_month, outcome, age_days, cast(sum(deal_count) as bigint)")
    whole = {
        row["period_start_date"]
        for row in periods
        if (row["basis"], row["period_type"]) == ("closed_date", "month") and not row["is_partial_period"]
    }
    [(first_created_date,)] = dbt.ref("int_deal_bounds").project("first_created_date").fetchall()
    lives = closed_lives(closes.order("1, 2, 3").fetchall(), whole, first_created_date)
    types = {
        str: ("basis", "period_type", *TEXTS),
        datetime.date: ("period_start_date", "period_end_date", "baseline_start_date"),
        bool: ("is_risk_adjusted", "is_partial_period", "is_mature", "is_season_adjusted"),
        int: (*COUNTS, *WHOLE),
        float: FIGURES,
    }
    cohort_days = by_period(days.order("1, 2, 3").fetchall(), settings.fiscal_year_start_month)
    return from_rows(analyse(periods, cohort_days, lives, settings), types)
