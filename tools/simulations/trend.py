"""The chart of the win rate on series of months whose truth is known: how often does it raise an alarm, with and without a drop?

24 months of 110 closed deals, of which the last 12 are tested, at a win rate of 45 % that wanders between months by more than sampling
(standard deviation `spread`), and in half of the series falls by 10 points in the 19th month for good. How far false alarms lie apart is counted
in steady series of 252 months, their baseline estimated anew each month from what came before: tested months / alarms, months of one
excursion being one alarm.

What an excursion leaves behind: series of 34 months with two bad quarters of 15 points, a year apart, found if a month of them or the one after is
an alarm below; between them, from the second month after the first on, a new alarm is false. And a fall of 20 points in the 19th month, for good:
the share of months in alarm in the years that follow.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from models.win_rates import ml_win_rate_trend as trend
from tools.simulations.drivers import percent
from tools.simulations.settings import model_settings, project_vars

SETTINGS = trend.Settings(fdr_level=project_vars()["fdr_level"], **model_settings("ml_win_rate_trend"))
MONTHS, DEALS, RATE, DROP, DROP_MONTH, FOUND_WITHIN = 24, 110, 0.45, 0.10, 18, 5
LONG_MONTHS, LONG_EVERY = 252, 5
BAD_QUARTER, BAD_MONTHS, LASTING, LASTING_YEARS = 0.15, (15, 30), 0.20, 3
SPREADS = (0.0, 0.03, 0.06)


def chart(rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    """1, -1 or 0 for each month: an alarm above or below, or none."""
    won = rng.binomial(DEALS, np.clip(rate, 0, 1)).astype(float)
    rows = trend.chart(won, np.full(len(rate), float(DEALS)), np.ones(len(rate)), SETTINGS)
    return np.array([{"above": 1, "below": -1}.get(row.get("alarm_direction"), 0) for row in rows])


def new_alarms(alarms: np.ndarray) -> np.ndarray:
    """Of each month but the first: does an alarm begin in it?"""
    return (alarms[1:] != 0) & (alarms[:-1] == 0)


def one_series(seed: int, spread: float) -> dict[str, bool]:
    """Of one seed: was there an alarm or a trend in the steady series, and was the drop in the other one found?"""
    rng = np.random.default_rng(seed)
    rate = RATE + spread * rng.standard_normal(MONTHS)
    fallen = rate - np.where(np.arange(MONTHS) >= DROP_MONTH, DROP, 0.0)
    count, even = np.full(MONTHS, float(DEALS)), np.ones(MONTHS)
    steady_won, fallen_won = (rng.binomial(DEALS, np.clip(each, 0, 1)).astype(float) for each in (rate, fallen))
    steady, after = trend.chart(steady_won, count, even, SETTINGS), trend.chart(fallen_won, count, even, SETTINGS)
    soon = after[DROP_MONTH : DROP_MONTH + FOUND_WITHIN]
    return {
        "alarm": any(row["verdict"] == "signal" for row in steady),
        "found": any(row.get("alarm_direction") == "below" for row in soon),
        "trend": trend.trend(steady_won, count, even, np.arange(MONTHS, dtype=float), 1, SETTINGS)["trend_p_value"] <= SETTINGS.fdr_level,
    }


def after_an_excursion(seed: int, spread: float) -> dict[str, float]:
    """Of one seed: which bad quarters were found, was there a new alarm between them, and how much of each year after a fall is in alarm?"""
    rng = np.random.default_rng([seed, 2])
    first, second = BAD_MONTHS
    months = np.arange(second + 4)
    is_bad = np.isin(months, [start + month for start in BAD_MONTHS for month in range(3)])
    alarms = chart(rng, RATE + spread * rng.standard_normal(len(months)) - BAD_QUARTER * is_bad)
    months = np.arange(DROP_MONTH + 12 * LASTING_YEARS)
    fallen = chart(rng, RATE + spread * rng.standard_normal(len(months)) - LASTING * (months >= DROP_MONTH))
    return {
        "first": (alarms[first : first + 4] < 0).any(),
        "second": (alarms[second:] < 0).any(),
        "between": new_alarms(alarms[first + 3 : second]).any(),
    } | {f"year_{year}": share for year, share in enumerate((fallen[DROP_MONTH:] != 0).reshape(-1, 12).mean(1), 1)}


def false_alarms(seed: int, spread: float) -> int:
    """Of one long steady series."""
    rng = np.random.default_rng([seed, 1])
    return int(new_alarms(chart(rng, RATE + spread * rng.standard_normal(LONG_MONTHS))).sum())


def run(series: int, seed: int, processes: int, spreads: tuple[float, ...] = SPREADS) -> str:
    """A Markdown table with a row per spread between months: `series` of each, seeds from `seed` on."""
    lines = [
        f"| {series} series; standard deviation between months | a false alarm in {MONTHS - SETTINGS.min_baseline_periods} tested months "
        f"| a drop of {100 * DROP:.0f} points found within {FOUND_WITHIN} months | trend test below {SETTINGS.fdr_level:g} | months between false alarms "
        f"| a bad quarter of {100 * BAD_QUARTER:.0f} points found | a second one a year later | a false alarm between them "
        f"| months in alarm of the years after a lasting fall of {100 * LASTING:.0f} points |",
        f"|{' --- |' * 9}",
    ]
    for spread in spreads:
        seeds, long_seeds = range(seed, seed + series), range(seed, seed + max(1, series // LONG_EVERY))
        with ProcessPoolExecutor(processes) as pool:
            apply = partial(pool.map, chunksize=50) if processes > 1 else map
            found = list(apply(partial(one_series, spread=spread), seeds))
            later = list(apply(partial(after_an_excursion, spread=spread), seeds))
            alarms = sum(apply(partial(false_alarms, spread=spread), long_seeds))
        figures = [percent(each[name] for each in found) for name in ("alarm", "found", "trend")]
        figures.append(f"{len(long_seeds) * (LONG_MONTHS - SETTINGS.min_baseline_periods) / max(1, alarms):.0f}")
        figures += [percent(each[name] for each in later) for name in ("first", "second", "between")]
        figures.append(", ".join(percent(each[f"year_{year}"] for each in later) for year in range(1, LASTING_YEARS + 1)))
        lines.append(f"| {100 * spread:g} points | {' | '.join(figures)} |")
    return "\n".join(lines)
