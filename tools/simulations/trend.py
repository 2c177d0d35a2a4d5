"""The chart of the win rate on series of months whose truth is known: how often does it raise an alarm, with and without a drop?

24 months of 110 closed deals, of which the last 12 are tested, at a win rate of 45 % that wanders between months by more than sampling
(standard deviation `spread`), and in half of the series falls by 10 points in the 19th month for good. How far false alarms lie apart is counted
in steady series of 252 months, their baseline estimated anew each month from all that came before: tested months / alarms, months of one
excursion being one alarm.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from tools.simulations.drivers import load_model, percent

trend = load_model("ml_win_rate_trend")
SETTINGS = trend.Settings(
    min_baseline_periods=12, min_expected_deals=5, limit=3, cusum_allowance=0.75, cusum_limit=3.2, min_trend_periods=6,
    fdr_level=0.05, confidence_level=0.95,
)  # fmt: skip
MONTHS, DEALS, RATE, DROP, DROP_MONTH, FOUND_WITHIN = 24, 110, 0.45, 0.10, 18, 5
LONG_MONTHS, LONG_EVERY = 252, 5
SPREADS = (0.0, 0.03, 0.06)


def one_series(seed: int, spread: float, months: int = MONTHS) -> dict[str, bool]:
    """Of one seed: was there an alarm or a trend in the steady series, and was the drop in the other one found?"""
    rng = np.random.default_rng(seed)
    rate = RATE + spread * rng.standard_normal(months)
    fallen = rate - np.where(np.arange(months) >= DROP_MONTH, DROP, 0.0)
    count, even = np.full(months, float(DEALS)), np.ones(months)
    steady_won, fallen_won = (rng.binomial(DEALS, np.clip(each, 0, 1)).astype(float) for each in (rate, fallen))
    steady, after = trend.chart(steady_won, count, even, SETTINGS), trend.chart(fallen_won, count, even, SETTINGS)
    soon = after[DROP_MONTH : DROP_MONTH + FOUND_WITHIN]
    return {
        "alarm": any(row["verdict"] == "signal" for row in steady),
        "found": any(row.get("alarm_direction") == "below" for row in soon),
        "trend": trend.trend(steady_won, count, even, np.arange(months, dtype=float), SETTINGS)["trend_p_value"] <= SETTINGS.fdr_level,
    }


def false_alarms(seed: int, spread: float) -> int:
    """Of one long steady series."""
    rng = np.random.default_rng([seed, 1])
    rate = np.clip(RATE + spread * rng.standard_normal(LONG_MONTHS), 0, 1)
    rows = trend.chart(rng.binomial(DEALS, rate).astype(float), np.full(LONG_MONTHS, float(DEALS)), np.ones(LONG_MONTHS), SETTINGS)
    alarms = np.array([row["verdict"] == "signal" for row in rows])
    return int((alarms[1:] & ~alarms[:-1]).sum())


def run(series: int, seed: int, processes: int, spreads: tuple[float, ...] = SPREADS) -> str:
    """A Markdown table with a row per spread between months: `series` of each, seeds from `seed` on."""
    lines = [
        f"| {series} series; standard deviation between months | a false alarm in {MONTHS - SETTINGS.min_baseline_periods} tested months "
        f"| a drop of {100 * DROP:.0f} points found within {FOUND_WITHIN} months | trend test below {SETTINGS.fdr_level:g} | months between false alarms |",
        "| --- | --- | --- | --- | --- |",
    ]
    for spread in spreads:
        seeds, long_seeds = range(seed, seed + series), range(seed, seed + max(1, series // LONG_EVERY))
        with ProcessPoolExecutor(processes) as pool:
            apply = partial(pool.map, chunksize=50) if processes > 1 else map
            found = list(apply(partial(one_series, spread=spread), seeds))
            alarms = sum(apply(partial(false_alarms, spread=spread), long_seeds))
        figures = [percent(each[name] for each in found) for name in ("alarm", "found", "trend")]
        apart = len(long_seeds) * (LONG_MONTHS - SETTINGS.min_baseline_periods) / max(1, alarms)
        lines.append(f"| {100 * spread:g} points | {' | '.join(figures)} | {apart:.0f} |")
    return "\n".join(lines)
