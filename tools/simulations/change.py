"""Changes of the win rate on CRMs whose truth is known.

**The planted bad quarter**: is it found, and are its rate and mix parts right? It is found if a month of it, or the month after it, raises an alarm
on the low side in the chart of closed-date win rates. Its rate and mix effects (against the quarter before, by each dimension) are right if their
95 % intervals hold the effects in one CRM of a million deals.

**Verdicts on all deals** of CRMs of three years, as `int_win_rate_comparisons` lays periods out: how often is the comparison to look at first a
signal, at each level, and any other comparison, where nothing changes but what a kind says; how often where the last half-year wins 10 points
less? Beside it, of the same months, the trend test, and what it would be over all months after the first creation.
"""

from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial

import numpy as np

from models.win_rates import int_win_rate_change_tests as changes
from models.win_rates import ml_win_rate_trend as trend
from tools import crm, process
from tools.process import Plan
from tools.simulations.drivers import CHUNK, DEALS, POPULATION, YEARS, percent
from tools.simulations.settings import GENERATORS, PROCESS, bands, model_settings, project_vars
from tools.simulations.trend import SETTINGS

KINDS = {"demo": crm.PLANTED, "process": PROCESS}
DIMENSIONS = ("industry", "region", "product_type", "lead_source", "deal_size_band", "sales_rep_id")
QUARTERS = (date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1))
FIRST_MONTH = 1  # of the complete months: creations begin within the first
SIZES = (600, 1_400)  # deals a year
LONG = 3  # years
LEVELS = (0.05, project_vars()["fdr_level"], project_vars()["fdr_level"] / 2)
LENGTHS = {"month": 1, "quarter": 3, "half_year": 6}
SHOCK = 0.2  # standard deviation of the log odds that all deals of a month have in common
FALL = ((date(2025, 7, 1), date(2025, 12, 31), 0.10),)


def preset(*names: str, **more: object) -> process.Settings:
    return process.Settings(**process.with_presets(list(names)), **more)


VERDICTS = {
    "demo, nothing planted": crm.NO_EFFECTS,
    "steady": preset(),
    "late losses (2.5 x)": preset("late_losses"),
    "losses 4 x": preset("very_late_losses"),
    "growing": preset("growing"),
    "shrinking": preset("shrinking"),
    "growing, late losses": preset("growing", "late_losses"),
    "shrinking, late losses": preset("shrinking", "late_losses"),
    "growing, losses 4 x": preset("growing", "very_late_losses"),
    "season": preset("seasonal"),
    "season, late losses": preset("seasonal", "late_losses"),
    "8 deals an account": preset("accounts"),
    "month shocks": preset(),
    "fall": preset(falls=FALL),
    "fall, late losses": preset("late_losses", falls=FALL),
    "fall, season": preset("seasonal", falls=FALL),
}


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
    names = (*changes.KEYS, "comparison", "is_headline", *changes.COUNTS, *changes.RATES)
    columns: dict[str, list] = {name: [] for name in names}
    for dimension, (count, won) in found.items():
        for segment in np.flatnonzero(count.sum(axis=0)):
            (n, new), (hits, new_hits) = count[:, segment], won[:, segment]
            row = {
                "period_type": "quarter", "period_start_date": QUARTERS[1], "segment_dimension": dimension, "segment_value": str(segment),
                "comparison": "previous_period", "is_headline": False, "previous_closed_deal_count": n, "closed_deal_count": new,
                "previous_win_rate": hits / n if n else np.nan, "win_rate": new_hits / new if new else np.nan,
                "previous_deal_share": n / count[0].sum(), "deal_share": new / count[1].sum(),
                "previous_all_win_rate": won[0].sum() / count[0].sum(), "all_win_rate": won[1].sum() / count[1].sum(),
            }  # fmt: skip
            for name in columns:
                columns[name].append(row[name])
    count, won = (each.sum(axis=1) for each in found[DIMENSIONS[0]])
    wholes = {("quarter", QUARTERS[1]): changes.Whole(won[1] / count[1] - won[0] / count[0], 0.0, 1.0, count)}
    figures = changes.estimate(columns, wholes, fdr_level=LEVELS[1], **model_settings("int_win_rate_change_tests"))
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


# Verdicts on all deals


def months_of(seed: int, kind: str, deals: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Closed and won deals of each month of a CRM, first days of the months, and H in days."""
    plan = VERDICTS[kind]
    if isinstance(plan, process.Settings):
        drawn = process.draw_deals(seed, deals * LONG, plan, LONG)
    else:
        drawn = plan.draw_lives(seed, deals * LONG, 0, deals * LONG, LONG)
    is_closed = drawn.closed_day <= crm.days(crm.AS_OF)
    closed_day, won = drawn.closed_day[is_closed], drawn.won[is_closed]
    last = np.datetime64(crm.AS_OF, "M").astype(int)
    starts = np.arange(last - 12 * LONG + 1, last + 1)
    month = closed_day.astype("datetime64[D]").astype("datetime64[M]").astype(int) - starts[0]
    count, hits = (np.bincount(month, weight, len(starts)) for weight in (np.ones(len(month)), won))
    if kind == "month shocks":
        rng = np.random.default_rng([seed, 3])
        odds = np.exp(np.log(plan.win_rate / (1 - plan.win_rate)) + SHOCK * rng.standard_normal(len(starts)))
        hits = rng.binomial(count.astype(int), odds / (1 + odds)).astype(float)
    lives = np.sort(closed_day - drawn.created_day[is_closed])
    first = starts.astype("datetime64[M]").astype("datetime64[D]").astype(int)
    return count, hits, first - drawn.created_day.min(), int(lives[int(np.ceil(0.99 * len(lives))) - 1])


def comparisons(begin: int, count: np.ndarray) -> dict[tuple[str, int], tuple[list[int], list[int], bool]]:
    """By type and first month: months of the period, of the one it is compared with, and whether that is a year before. All months from
    `begin` on are whole."""
    found = {}
    for kind, length in LENGTHS.items():
        for first in range(begin, len(count) - length + 1):
            back = 12 if first - 12 >= begin else length
            if (len(count) - first) % length == 0 and first - back >= begin:
                newer, older = (list(range(start, start + length)) for start in (first, first - back))
                found[kind, first] = newer, older, back == 12
    return found


def headline_of(chosen: dict[tuple[str, int], tuple]) -> tuple[str, int]:
    newest = {kind: max(first for other, first in chosen if other == kind) for kind in LENGTHS if any(other == kind for other, _ in chosen)}
    return max(newest.items(), key=lambda each: (chosen[each][2] and each[0] != "month", LENGTHS[each[0]]))


def verdicts(seed: int, kind: str, deals: int) -> dict[str, float]:
    """Of one CRM: is the headline a signal, is any other total, does the trend test say so?"""
    count, won, age, horizon = months_of(seed, kind, deals)
    begin = int(np.argmax(age >= horizon))
    month = np.arange(len(count), dtype=float)
    series = {"month": month[begin:], "won": won[begin:], "count": count[begin:]}
    chosen = comparisons(begin, count)
    wholes, columns = {}, {name: [] for name in (*changes.KEYS, "comparison", "is_headline")}
    for key, (newer, older, is_year) in chosen.items():
        both = np.array(newer + older)
        is_previous = np.repeat([False, True], len(newer))
        stratum = both % 12 if is_year else np.zeros(len(both), int)
        sums = np.bincount(stratum, count[both], 12), np.bincount(stratum, count[both] * is_previous, 12)
        other = np.where(is_previous, (sums[0] - sums[1])[stratum], sums[1][stratum])
        rows = {
            "closed_deal_count": count[both], "won_deal_count": won[both], "month": both.astype(float), "is_previous": is_previous,
            "stratum": stratum, "deal_weight": np.where(is_year, other / np.maximum(sums[0][stratum], 1), 1.0),
        }  # fmt: skip
        wholes[key] = changes.compare(rows, series)
        values = (*key, "all", "all", "year_on_year" if is_year else "previous_period", key == headline_of(chosen))
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    p_values = np.array([each.p_value for each in wholes.values()])
    is_headline, is_year = np.array(columns["is_headline"]), np.array(columns["comparison"]) == "year_on_year"
    names = ("q_value", "family_q_value", "confidence_level", "p_value")
    judged = {f"{effect}_{name}": np.full(len(p_values), np.nan) for effect in changes.EFFECTS for name in names}
    judged |= {"rate_p_value": p_values, "q_threshold": np.full(len(p_values), np.nan)}
    judged["rate_verdict"] = np.where(np.isnan(p_values), "not_computable", "no_signal").astype(object)
    judged["mix_verdict"] = np.full(len(p_values), "not_computable", object)
    changes.judge(judged, columns, LEVELS[-1])
    is_signal = judged["rate_verdict"] == "signal"
    # The headline is tested by itself.
    found: dict[str, float] = {f"headline {level:g}": (is_headline & (p_values <= level)).any() for level in LEVELS}
    found |= {"other": (is_signal & is_year & ~is_headline).any(), "before": (is_signal & ~is_year & ~is_headline).any()}
    for name, start in (("trend", begin), ("all months", int(np.argmax(age > 0)))):
        test = trend.trend(won[start:], count[start:], np.ones(len(month) - start), month[start:], 1, SETTINGS)
        found[name] = test.get("trend_p_value", 1.0) <= 0.05
    return found


def verdict_table(crms: int, seed: int, processes: int, generators: tuple[str, ...]) -> str:
    heads = [f"headline at {level:g}" for level in LEVELS] + [
        f"another against the year before at {LEVELS[-1]:g}",
        f"one against the period before at {LEVELS[-1]:g}",
    ]
    heads += ["trend test p <= .05", "over all months"]
    lines = [
        f"| {crms} CRMs, {' / '.join(f'{size:,}' for size in SIZES)} deals a year | {' | '.join(heads)} |",
        f"|{' --- |' * (1 + len(heads))}",
    ]
    names = [
        *(f"headline {level:g}" for level in LEVELS),
        "other",
        "before",
        "trend",
        "all months",
    ]
    with ProcessPoolExecutor(processes) as pool:
        for kind, plan in VERDICTS.items():
            if plan.kind not in generators:
                continue
            cells = []
            for size in SIZES:
                job, seeds = partial(verdicts, kind=kind, deals=size), range(seed, seed + crms)
                cells.append(list(pool.map(job, seeds, chunksize=10) if processes > 1 else map(job, seeds)))
            lines.append(
                f"| {kind} | "
                + " | ".join(" / ".join(f"{100 * np.mean([row[name] for row in rows]):.1f}" for rows in cells) for name in names)
                + " |"
            )
    return "\n".join(lines)


def run(crms: int, seed: int, processes: int, sizes: tuple[int, ...] = (DEALS, 5_000), generators: tuple[str, ...] = GENERATORS) -> str:
    """Markdown tables: verdicts on all deals, in percent, and the parts of the planted quarter; `crms` of each kind and size, seeds from `seed` on."""
    lines = [
        verdict_table(crms, seed, processes, generators),
        "",
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
