"""The band of what a pipeline yields, on pipelines whose truth is known: does P10 to P90 hold what comes in 80 % of them?

Deals are created evenly, live as long as the demo's, and have log-normal amounts and log odds of their own, which the forecast knows but for
their common level: that it estimates from the closed deals of its day, those old enough. When they close, all deals of a period share a
shift of their log odds. The month ends from the 180th day on share deals as real ones do; 12 of them have closed by the as-of day. Judged
are the pipeline of the as-of day, which nothing of the fit has seen, and, as the backtest does it, one of the 12 without its own error.
"""

import itertools
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from inference.logistic import calibration, sigmoid
from models.forecasts import ml_pipeline_yields as yields
from tools import crm
from tools.simulations.settings import model_settings, project_vars

SETTINGS = yields.Settings(**model_settings("ml_pipeline_yields") | {"draws": 500})
MONTH, MONTH_ENDS, FIRST_DAY, LONGEST = 30, 12, 180, crm.LENGTH_DAYS[1]
AS_OF_DAY = FIRST_DAY + MONTH * MONTH_ENDS + 130
DEALS_A_MONTH = (40, 125, 1_000)
SHOCKS = ((0.0, 30), (0.2, 30), (0.4, 30), (0.2, 91), (0.4, 91))


def draw_pipelines(rng: np.random.Generator, deals_a_month: int, shock: float, period: int):
    """Pipelines at month ends and what they yielded, oldest first, the as-of day's last; and which of them have closed since."""
    deals = rng.poisson(deals_a_month * AS_OF_DAY / MONTH)
    created = rng.integers(0, AS_OF_DAY + 1, deals)
    closed = created + crm.draw_lengths(rng.random(deals))
    amount = crm.draw_amounts(rng.random(deals)).astype(float)
    log_odds = -0.4 + 0.7 * rng.standard_normal(deals)
    shocks = shock * rng.standard_normal((AS_OF_DAY + LONGEST) // period + 1)
    won = rng.random(deals) < sigmoid(log_odds + shocks[closed // period])
    pipelines, realised, has_closed = [], [], []
    for day in range(AS_OF_DAY, FIRST_DAY - 1, -MONTH)[::-1]:
        is_closed, is_open = closed <= day, (created <= day) & (closed > day)
        is_mature = is_closed & (created < day - LONGEST)
        known = is_mature if is_mature.sum() >= 20 else is_closed
        level_error, _ = calibration(log_odds[known], np.ones((known.sum(), 1)), won[known], np.ones(known.sum()), np.arange(known.sum()))
        chance = sigmoid(log_odds[is_open] + level_error)
        rate = np.clip(won[is_closed].mean(), 0.01, 0.99)
        variance = 1 / (is_closed.sum() * rate * (1 - rate))
        pipelines.append(yields.Pipeline(np.ones(is_open.sum()), amount[is_open], chance, variance))
        realised.append(amount[is_open & won].sum())
        has_closed.append((closed[is_open] > AS_OF_DAY).mean() <= project_vars()["max_mature_open_share"])
    return pipelines, realised, np.flatnonzero(has_closed)


def one_pipeline(seed: int, deals_a_month: int, shock: float, period: int) -> list[float]:
    """Of one seed: is what came within the band, below it, above it, within a band without shock, within that of a past month end; and the shock."""
    rng = np.random.default_rng(seed)
    pipelines, realised, closed = draw_pipelines(rng, deals_a_month, shock, period)
    parts = [yields.shock_parts(pipelines[at], realised[at]) for at in closed]
    deviation, _ = yields.shock(parts, SETTINGS.min_dates)
    left_out = rng.integers(len(closed))
    own_deviation, _ = yields.shock(parts[:left_out] + parts[left_out + 1 :], SETTINGS.min_dates)

    def band(at: int, width: float) -> np.ndarray:
        return np.quantile(yields.draw_yields(pipelines[at], width, SETTINGS, rng), (0.1, 0.9))

    (low, high), came = band(-1, deviation), realised[-1]
    narrow, past = band(-1, 0.0), band(closed[left_out], own_deviation)
    return [
        low <= came <= high,
        came < low,
        came > high,
        narrow[0] <= came <= narrow[1],
        past[0] <= realised[closed[left_out]] <= past[1],
        deviation,
    ]


def run(pipelines: int, seed: int, processes: int, sizes: tuple[int, ...] = DEALS_A_MONTH, shocks: tuple = SHOCKS) -> str:
    """A Markdown table with a row per size and shock: `pipelines` of each, seeds from `seed` on."""
    error = 100 * np.sqrt(0.8 * 0.2 / pipelines)
    lines = [
        f"| new deals a month | true shock | estimated, mean | within P10 to P90 ({pipelines} pipelines, standard error {error:.1f} points) "
        "| below | above | without the shock term | backtest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    with ProcessPoolExecutor(processes) as pool:
        for size, (shock, period) in itertools.product(sizes, shocks):
            job = partial(one_pipeline, deals_a_month=size, shock=shock, period=period)
            seeds = range(seed, seed + pipelines)
            found = np.mean(list(pool.map(job, seeds, chunksize=20) if processes > 1 else map(job, seeds)), axis=0)
            within, below, above, narrow, past = (f"{share:.1%}" for share in found[:5])
            truth = f"{shock:g} by {'month' if period == MONTH else 'quarter'}" if shock else "none"
            lines.append(f"| {size} | {truth} | {found[5]:.2f} | {within} | {below} | {above} | {narrow} | {past} |")
    return "\n".join(lines)
