"""The effect of actions on generated CRMs whose truth is known: do the intervals of rpt_intervention_effects hold it, also if they are read each week?

CRMs of the demo's kind, in which an action rescues 25 % of the deals that would be lost, or none; and in which reps act on any offer alike, or
on nine in ten of the deals that will be won and on half of those that will be lost, which no score knows. Compared are flagged deals of mature
cohorts by score band; the score is the true chance of their segments. The truth is that of one CRM of a million deals: the share of flagged,
offered deals that the offer won, and the share of deals acted on that the action won.

And, without a CRM, a year of weeks: flagged deals come in four strata with win rates of 20 to 60 %, half or four in five of them are offered the action,
which wins 0, 10 or 15 points more, and after each week the comparison is read, from `min_arm_deals` in each arm on.
"""

import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from inference.intervals import normal_quantile
from models.actions import int_intervention_tests as tests
from tools import crm
from tools.crm import Effects
from tools.simulations.drivers import is_mature, percent
from tools.simulations.settings import PROJECT, model_settings

DEALS, POPULATION, CHUNK, YEARS = 3_000, 1_000_000, 250_000, 2
SETTINGS = model_settings("int_intervention_tests")
LEVEL = SETTINGS["confidence_level"]
REPS_KNOW = (0.5, 0.9)
KINDS = {
    "25 % rescued": crm.PLANTED,
    "none rescued": replace(crm.PLANTED, rescue=0.0),
    "25 % rescued, reps act on what the score lacks": replace(crm.PLANTED, uptake=REPS_KNOW),
    "none rescued, reps act on what the score lacks": replace(crm.PLANTED, rescue=0.0, uptake=REPS_KNOW),
}


def band_edges() -> list[int]:
    """Highest risk score of each category but the last."""
    with (PROJECT / "seeds" / "reference" / "risk_categories.csv").open() as file:
        return sorted(int(row["most_score"]) for row in csv.DictReader(file))[:-1]


def flagged(lives: crm.Lives, deals: int) -> dict[str, np.ndarray]:
    """Of flagged, closed deals of mature cohorts."""
    as_of = crm.days(crm.AS_OF)
    kept = np.flatnonzero((lives.flagged_at < lives.closed_at) & (lives.closed_day <= as_of) & (lives.created_day <= as_of))
    kept = kept[is_mature(lives.created_day, lives.closed_day, as_of)[kept]]
    width = crm.deal_id_width(deals)
    return {
        "is_holdout": crm.in_holdout([f"D{number:0{width}d}" for number in lives.number[kept]]),
        "acted": lives.action_at[kept] < crm.NEVER,
        "won": lives.won[kept],
        "rescued": lives.rescued[kept],
        "kept": kept,
    }


def bands(lives: crm.Lives, kept: np.ndarray, effects: Effects) -> np.ndarray:
    """Score band of each deal, by the true chance of its segments."""
    segments = {name: values[kept] for name, values in lives.segments.items()}
    return np.searchsorted(band_edges(), np.rint(100 * (1 - crm.win_chances(segments, effects))))


def count_cells(lives: crm.Lives, found: dict[str, np.ndarray], effects: Effects) -> np.ndarray:
    """Counts of flagged deals: strata x arms x CELLS."""
    cells = np.zeros((len(band_edges()) + 1, 2, len(tests.CELLS)))
    counts = np.column_stack([np.ones(len(found["won"])), found["won"], found["acted"], found["acted"] & found["won"]])
    np.add.at(cells, (bands(lives, found["kept"], effects), found["is_holdout"].astype(int)), counts)
    return cells


def one_crm(seed: int, effects: Effects) -> np.ndarray:
    lives = crm.draw_lives(seed, DEALS, 0, DEALS, effects, YEARS)
    return count_cells(lives, flagged(lives, DEALS), effects)


def truth(seed: int, effects: Effects) -> tuple[float, float, float]:
    """Share of offered deals that the offer won, of deals acted on that the action won, and what acting is associated with."""
    parts, cells = [], []
    for start in range(0, POPULATION, CHUNK):
        lives = crm.draw_lives(seed, POPULATION, start, start + CHUNK, effects, YEARS)
        found = flagged(lives, POPULATION)
        parts.append([found["rescued"].sum(), (~found["is_holdout"]).sum(), found["acted"].sum()])
        cells.append(count_cells(lives, found, effects))
    rescued, offered, acted = np.sum(parts, axis=0)
    return rescued / offered, rescued / acted, tests.associate(np.sum(cells, axis=0)[None], LEVEL)["association_difference"][0]


# A year of weeks
WEEKS, STRATA_RATES, WEEKLY, OFFERED, POINTS = 52, (0.2, 0.3, 0.45, 0.6), (5, 12, 25), (0.5, 0.8), (0.0, 0.10, 0.15)


def year(seed: int, weekly: int, offered: float, effect: float) -> np.ndarray:
    """Cells after each week: weeks x strata x 2 arms x CELLS; every offered deal is acted on."""
    draws = np.random.default_rng([seed, weekly, round(100 * offered), round(100 * effect)])
    count = weekly * WEEKS
    stratum, is_offered = draws.integers(0, len(STRATA_RATES), count), draws.random(count) < offered
    won = draws.random(count) < np.array(STRATA_RATES)[stratum] + effect * is_offered
    cells = np.zeros((WEEKS, len(STRATA_RATES), 2, len(tests.CELLS)))
    rows = np.column_stack([np.ones(count), won, is_offered, is_offered & won])
    np.add.at(cells, (np.arange(count) // weekly, stratum, (~is_offered).astype(int)), rows)
    return cells.cumsum(axis=0)


def read_weekly(years: int, seed: int, weekly: int, offered: float, effect: float) -> dict[str, float]:
    """Shares of years in which the sequence, and a fixed interval of the same estimate, ever miss the truth; that find the effect at any week, and that a
    fixed interval finds at the end; and the mean width of the sequence over that of the fixed interval at the end."""
    fixed = normal_quantile(LEVEL)
    rows = []
    for number in range(years):
        cells = year(seed + number, weekly, offered, effect)
        found = tests.estimate(cells, np.full(WEEKS, 1 - LEVEL), SETTINGS)
        shown = found["least"] >= SETTINGS["min_arm_deals"]
        reach = found["difference_upper"] - found["difference"]
        missed = np.abs(found["difference"] - effect)
        last = np.abs(found["difference"][-1]) > fixed * found["error"][-1]
        is_found = (shown & (found["difference_lower"] > 0)).any()
        rows.append(
            [
                (missed > reach)[shown].any(),
                (missed > fixed * found["error"])[shown].any(),
                is_found,
                last,
                reach[-1] / (fixed * found["error"][-1]),
            ]
        )
    return dict(zip(("sequence_wrong", "fixed_wrong", "found", "found_at_end", "width"), np.mean(rows, axis=0).tolist(), strict=True))


def run_weeks(years: int, seed: int) -> str:
    """A Markdown table with a row per share offered, deals a week and effect: `years` of each."""
    lines = [
        f"| {years} years of {WEEKS} weekly looks | flagged deals a week | true effect | confidence sequence ever wrong | fixed 95 % interval ever wrong "
        "| found by the sequence in any week | by a fixed interval at the end alone | width over the fixed one's at the end |",
        f"|{' --- |' * 8}",
    ]
    for offered in OFFERED:
        for weekly in WEEKLY:
            for effect in POINTS:
                found = read_weekly(years, seed + 1, weekly, offered, effect)
                powers = [f"{100 * found[name]:.0f} %" if effect else "" for name in ("found", "found_at_end")]
                wrong = [f"{100 * found[name]:.1f} %" for name in ("sequence_wrong", "fixed_wrong")]
                cells = [
                    f"{100 * offered:.0f} % offered",
                    str(weekly),
                    f"{100 * effect:.0f} points",
                    *wrong,
                    *powers,
                    f"{found['width']:.2f}",
                ]
                lines.append(f"| {' | '.join(cells)} |")
                print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def run(crms: int, seed: int, processes: int, kinds: tuple[str, ...] = tuple(KINDS), with_weeks: bool = True) -> str:
    """A Markdown table with a row per kind of CRM: `crms` of each, seeds from `seed` on; and that of `run_weeks`."""
    lines = [
        f"| {crms} CRMs of {DEALS:,} deals | true difference | its mean estimate | 95 % intervals that hold it | true effect per deal acted on | its mean estimate "
        "| 95 % intervals that hold it | intervals of the association that hold it | true association | 95 % intervals that hold it | an effect called a signal |",
        f"|{' --- |' * 11}",
    ]
    for kind in kinds:
        effects = KINDS[kind]
        seeds = range(seed + 1, seed + 1 + crms)
        with ProcessPoolExecutor(processes) as pool:
            cells = np.stack(list((pool.map if processes > 1 else map)(partial(one_crm, effects=effects), seeds)))
        difference, effect, association = truth(seed, effects)
        found = tests.estimate(cells, np.full(len(cells), 1 - LEVEL), SETTINGS) | tests.associate(cells, LEVEL)

        def held(name: str, value: float, found: dict = found) -> str:
            known = np.isfinite(found[f"{name}_lower"])
            return percent((found[f"{name}_lower"] <= value)[known] & (value <= found[f"{name}_upper"])[known])

        figures = [
            *(f"{100 * difference:.1f} points", f"{100 * found['difference'].mean():.1f} points", held("difference", difference)),
            *(f"{100 * effect:.1f} points", f"{100 * np.nanmean(found['effect_per_acted_deal']):.1f} points"),
            *(held("effect_per_acted_deal", effect), held("association_difference", effect)),
            *(f"{100 * association:.1f} points", held("association_difference", association), percent(found["p_value"] <= 1 - LEVEL)),
        ]
        lines.append(f"| {kind} | {' | '.join(figures)} |")
        print(f"{kind}: done", file=sys.stderr)
    return "\n".join([*lines, *(["", run_weeks(crms, seed)] if with_weeks else [])])
