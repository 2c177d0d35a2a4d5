"""The planted bad quarter on generated CRMs: is it found, and are its rate and mix parts right?

The quarter is found if a month of it, or the month after it, raises an alarm on the low side in the chart of closed-date win rates. Its rate and
mix effects (against the quarter before, by each dimension) are right if their 95 % intervals hold the effects in one CRM of a million deals.
"""

from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial

import numpy as np

from models.win_rates import int_win_rate_change_tests as changes
from tools import crm
from tools.process import Plan
from tools.simulations.drivers import CHUNK, DEALS, POPULATION, YEARS, percent
from tools.simulations.settings import GENERATORS, PROCESS, bands, model_settings
from tools.simulations.trend import SETTINGS, trend

KINDS = {"demo": crm.PLANTED, "process": PROCESS}
DIMENSIONS = ("industry", "region", "product_type", "lead_source", "deal_size_band", "sales_rep_id")
QUARTERS = (date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1))
FIRST_MONTH = 1  # of the complete months: creations begin within the first


def closed_months(lives: crm.Lives) -> np.ndarray:
    """Months from the first one of the data to the close; -1 for deals that are open on the as-of date."""
    month = lives.closed_day.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    first = lives.created_day.min().astype("datetime64[D]").astype("datetime64[M]").astype(int)
    return np.where(lives.closed_day <= crm.days(crm.AS_OF), month - first, -1)


def counts(lives: crm.Lives) -> dict[str, np.ndarray]:
    """By dimension: closed and won deals, shape (2, 2 quarters, segments)."""
    segments = {name: lives.segments[name] for name in ("industry", "region", "product_type", "lead_source")}
    segments |= {
        "sales_rep_id": lives.segments["sales_rep"],
        "deal_size_band": np.searchsorted(bands("deal_size_band")[1], lives.segments["amount"]),
    }
    quarter = np.searchsorted([crm.days(day) for day in QUARTERS], lives.closed_day, side="right") - 1
    found = {}
    for name in DIMENSIONS:
        size = int(segments[name].max()) + 1
        inside = (quarter >= 0) & (quarter < 2)
        cell = quarter[inside] * size + segments[name][inside]
        found[name] = np.stack(
            [np.bincount(cell, weight, 2 * size).reshape(2, size) for weight in (np.ones(inside.sum()), lives.won[inside])]
        )
    return found


def parts(found: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Rate and mix effect of each dimension, with intervals, of the second quarter against the first."""
    columns: dict[str, list] = {name: [] for name in (*changes.KEYS, *changes.COUNTS, *changes.ALL_FIGURES)}
    for dimension, (count, won) in found.items():
        for segment in np.flatnonzero(count.sum(axis=0)):
            row = {
                "period_type": "quarter", "period_start_date": QUARTERS[1], "segment_dimension": dimension, "segment_value": str(segment),
                "previous_closed_deal_count": count[0, segment], "closed_deal_count": count[1, segment],
                "previous_won_deal_count": won[0, segment], "won_deal_count": won[1, segment],
                "previous_all_deal_count": count[0].sum(), "all_deal_count": count[1].sum(),
                "previous_all_win_rate": won[0].sum() / count[0].sum(), "all_win_rate": won[1].sum() / count[1].sum(),
            }  # fmt: skip
            for name in columns:
                columns[name].append(row[name])
    figures = changes.estimate(columns, **model_settings("int_win_rate_change_tests"))
    names = [f"dimension_{effect}_effect{end}" for effect in ("rate", "mix") for end in ("", "_lower", "_upper")]
    first = [columns["segment_dimension"].index(dimension) for dimension in found]
    return {dimension: {name: float(figures[name][at]) for name in names} for dimension, at in zip(found, first, strict=True)}


def truth(effects: Plan) -> dict[str, dict[str, float]]:
    total: dict[str, np.ndarray] = {}
    for start in range(0, POPULATION, CHUNK):
        part = counts(effects.draw_lives(10_000, POPULATION, start, start + CHUNK, YEARS))
        total = {name: total[name] + part[name] if total else part[name] for name in part}
    return parts(total)


def one_crm(seed: int, deals: int, effects: Plan, true: dict[str, dict[str, float]]) -> dict[str, float]:
    """Was the quarter found, in how many dimensions do the intervals hold the truth, and how far off are the effects on average?"""
    lives = effects.draw_lives(seed, deals, 0, deals, YEARS)
    month = closed_months(lives)
    won, count = (np.bincount(month[month >= 0], weight[month >= 0], 12 * YEARS) for weight in (lives.won, np.ones(len(month))))
    rows = trend.chart(won[FIRST_MONTH:], count[FIRST_MONTH:], np.ones(len(won) - FIRST_MONTH), SETTINGS)
    quarter = range(15 - FIRST_MONTH, 19 - FIRST_MONTH)
    found = parts(counts(lives))
    row = {"found": any(rows[at].get("alarm_direction") == "below" for at in quarter)}
    for effect in ("rate", "mix"):
        name = f"dimension_{effect}_effect"
        row[f"{effect}_held"] = np.mean([found[d][f"{name}_lower"] <= true[d][name] <= found[d][f"{name}_upper"] for d in found])
        row[effect] = np.mean([found[dimension][name] for dimension in found])
    row["rate_is_below_0"] = np.mean([found[d]["dimension_rate_effect_upper"] < 0 for d in found])
    return row


def run(crms: int, seed: int, processes: int, sizes: tuple[int, ...] = (DEALS, 5_000), generators: tuple[str, ...] = GENERATORS) -> str:
    """A Markdown table with a row per kind of CRM and number of deals: `crms` of each, seeds from `seed` on."""
    lines = [
        f"| {crms} CRMs | deals | true rate and mix effect, points | bad quarter found | mean rate effect, points | its interval holds the truth "
        "| is below 0 | mean mix effect, points | its interval holds the truth |",
        f"|{' --- |' * 9}",
    ]
    for kind, effects in KINDS.items():
        if effects.kind not in generators:
            continue
        true = truth(effects)
        rate, mix = (100 * np.mean([each[f"dimension_{effect}_effect"] for each in true.values()]) for effect in ("rate", "mix"))
        for deals in sizes:
            job, seeds = partial(one_crm, deals=deals, effects=effects, true=true), range(seed, seed + crms)
            if processes > 1:
                with ProcessPoolExecutor(processes) as pool:
                    rows = list(pool.map(job, seeds))
            else:
                rows = [job(each) for each in seeds]
            mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            lines.append(
                f"| {kind} | {deals:,} | {rate:.1f}, {mix:.1f} | {percent(row['found'] for row in rows)} | {100 * mean['rate']:.1f} "
                f"| {mean['rate_held']:.1%} | {mean['rate_is_below_0']:.1%} | {100 * mean['mix']:.1f} | {mean['mix_held']:.1%} |"
            )
    return "\n".join(lines)
